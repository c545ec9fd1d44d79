"""The router: gives every decision exactly one route."""
