"""What learning promises, shown on real data."""
