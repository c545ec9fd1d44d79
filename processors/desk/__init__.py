"""The review desk: people take over, exactly once."""
