"""The commands, one module a group; they print facts on standard output, as JSON with `--json`."""
