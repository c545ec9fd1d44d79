"""The demonstration: real survey decisions through the whole pipeline, on the terminal."""
