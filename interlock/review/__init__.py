"""What a reviewer's tool is made of: the connection to the desk, the board of tasks, payloads and view receipts."""
