"""What a reviewer's tool is made of: the line to the desk, the board of tasks, the payload, and what may be shown."""
