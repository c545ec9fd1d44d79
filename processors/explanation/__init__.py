"""One decision explained in words: why it went where it went, who saw and decided it, and what came of it."""
