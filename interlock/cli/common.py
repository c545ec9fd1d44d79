"""What commands share: options, tables, JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

DataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        envvar="INTERLOCK_DATA_DIR",
        help="Directory of the local instance.",
        show_default=".interlock",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]

# In a pipe nobody wraps lines: the reader may want whole ones.
PIPE_WIDTH = 240

console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
errors = Console(stderr=True)


def print_json(facts: Any) -> None:
    """One JSON document on standard output; times and other objects as text."""
    print(json.dumps(facts, default=str, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A table for a person; numbers to the right."""
    content = [list(row) for row in rows]
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        numbers = bool(content) and all(isinstance(row[place], int | float) for row in content)
        shown.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in content:
        shown.add_row(*(_text(value) for value in row))
    console.print(shown)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return str(value)
