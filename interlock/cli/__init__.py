"""The commands, one module a group; they print facts on standard output, as JSON with `--json`."""


def main() -> None:
    """The entry point of `interlock` and `python -m interlock`."""
    from interlock.cli.app import run

    run()
