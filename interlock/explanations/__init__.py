"""Explanations of single decisions: gathering their records, and writing the explanation as a file."""
