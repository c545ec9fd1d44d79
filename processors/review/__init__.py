"""What a reviewer may be shown of a task, and what the state of the queues says. Pure."""
