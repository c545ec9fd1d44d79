"""What people's answers teach: training examples, systematic errors, and when a model must be trained again."""
