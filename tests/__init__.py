"""A package, so that it comes before others of this name that installed distributions bring."""
