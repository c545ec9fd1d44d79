"""The commands, one module a group; they print facts on standard output, as JSON with `--json`."""

import sys


def main() -> None:
    """The entry point of `interlock` and `python -m interlock`."""
    if sys.version_info < (3, 11):  # noqa: UP036 - reached from a checkout, which no installer has refused
        sys.exit("interlock: Interlock needs Python 3.11 or newer, this is %d.%d" % sys.version_info[:2])  # noqa: UP031
    try:
        from interlock.cli.app import run

        run()
    except (ImportError, AttributeError) as error:
        from interlock.platform.extras import explain

        explanation = explain(error, _command(sys.argv))
        if explanation is None:
            raise
        print(f"interlock: {explanation}", file=sys.stderr)
        sys.exit(2)


def _command(argv: list[str]) -> str:
    """What was asked for, as it is named in a message."""
    app = sys.modules.get("interlock.cli.app")
    if app is None:  # its import has failed
        return "the command line"
    commands = app.COMMANDS
    name, *rest = [word for word in argv[1:] if not word.startswith("-")] or [""]
    has_parts = name == "run" or (name in commands and commands[name].attribute == "app")
    return f"`{' '.join(['interlock', name, *rest[: 1 if has_parts else 0]])}`"
