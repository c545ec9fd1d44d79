"""Notices to the people whom decisions are about: what they must say, and how their texts are made."""
