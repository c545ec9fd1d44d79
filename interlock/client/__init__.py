"""The client library for teams that produce decisions: submit a decision, and wait for its resolution."""
