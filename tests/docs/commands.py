"""What documentation shows, as the command line and the Makefile see it."""

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

import bench.cli
from interlock.cli.app import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*/README.md")])

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def every_command() -> Iterator[tuple[str, Any]]:
    """Every command that `interlock` has, by its words."""
    left: list[tuple[str, Any]] = [("", typer.main.get_command(app)), ("bench", typer.main.get_command(bench.cli.app))]
    while left:
        name, command = left.pop()
        if hasattr(command, "commands"):  # a group
            left += [(f"{name} {word}".strip(), one) for word, one in command.commands.items()]
        else:
            yield name, command


def accept(words: Sequence[str]) -> None:
    """Raises for a command that `interlock` or `python -m bench` would refuse."""
    of_bench = words[:3] == ["python", "-m", "bench"]
    arguments = words[3:] if of_bench else words[1:]
    command: Any = typer.main.get_command(bench.cli.app if of_bench else app)
    rest = list(arguments)
    while hasattr(command, "commands"):  # a group
        name = rest.pop(0) if rest else ""
        assert name in command.commands, f"no command {name!r} in {arguments}"
        command = command.commands[name]
    command.make_context(command.name, rest)


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [body for name, body in _FENCE.findall(text) if name == language]


def shown_commands(text: str) -> Iterator[list[str]]:
    """Every command line in an indented or shell block, as words; comments are left out."""
    indented = [line[4:] for line in _FENCE.sub("", text).splitlines() if line.startswith("    ")]
    shell = [body for name in ("sh", "bash", "console", "") for body in blocks(text, name)]
    for shown in indented + [line for body in shell for line in body.splitlines()]:
        line = shown.removeprefix("$ ").strip()
        if re.match(r"(\w+=\S+ )*(interlock|make|python -m bench) ", line + " "):
            words = shlex.split(line, comments=True)
            while "=" in words[0]:
                words.pop(0)
            for stop in ("|", ">", "&&"):
                if stop in words:
                    words = words[: words.index(stop)]
            yield words
