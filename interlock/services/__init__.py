"""The long-running services, one file a role: each runs until SIGTERM and ends with an exit code for its supervisor."""
