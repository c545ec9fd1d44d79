"""What verdicts teach: training examples, systematic errors, and when a model must be retrained."""
