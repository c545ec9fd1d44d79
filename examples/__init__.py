"""Runnable examples: each has a policy, data or a model, and a stream of decisions."""
