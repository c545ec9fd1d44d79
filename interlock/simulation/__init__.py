"""Simulated reviewers, for demonstrations and tests."""
