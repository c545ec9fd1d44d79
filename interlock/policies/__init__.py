"""Policies, controls and proposals on their topics: publish, read back, sign."""
