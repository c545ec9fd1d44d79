"""Decisions from files: JSON Lines, CSV and Parquet, with a mapping from columns to fields."""
