"""Notices to the people whom decisions are about, as texts that can be sent."""
