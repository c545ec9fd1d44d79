"""What commands share: options, tables, JSON."""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interlock.platform.printing import visible, visible_json

if TYPE_CHECKING:
    from rich.progress import Progress

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

# Between the columns of a table.
_GAP = 2

# In a pipe lines stay whole, so that other programs can read them, unless COLUMNS says how wide they may be.
PIPE_WIDTH = 240
_IN_PIPE = not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdigit()


class VisibleConsole(Console):
    """A console for text from elsewhere: it is no markup, and nothing in it acts on the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


console = VisibleConsole(width=PIPE_WIDTH if _IN_PIPE else None)
# Messages are never wrapped here: editors and CI look for `file:line: message`, and a terminal wraps by itself.
errors = VisibleConsole(stderr=True, soft_wrap=True)


def print_json(facts: Any) -> None:
    """One JSON document on standard output; times and other objects as text, numbers that are not finite as null."""
    print(visible_json(facts))


def note(line: object) -> None:
    """One line on standard error, never wrapped."""
    print(visible(str(line)), file=sys.stderr)


def progress_bar() -> "Progress":
    """How far a command has come; shows nothing where standard error is not a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    terminal = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=terminal,
        disable=not terminal.is_terminal,
    )


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    title: str | None = None,
    *,
    optional: Sequence[str] = (),
) -> None:
    """A table for a person; numbers to the right. Strings are shown as they are (`visible`); for style pass Text.

    Where it is too wide, the columns named in `optional` are left out, the last one first; then columns without any
    value; then text wraps between words. If words do not fit either, each row is printed as a block of lines.
    """
    content = [list(row) for row in rows]
    layout = _Layout(columns, content)
    if _IN_PIPE:
        if title:
            print(title)
        layout.print_whole()
        return
    if not layout.fit(console.width, optional):
        vertical(columns, content, title)
        return
    console.print(layout.rendered(title))
    if layout.left_out:
        note(f"left out for want of width: {', '.join(layout.left_out)} (--json has everything)")


def vertical(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """A block of lines for each row, for rows that are too wide for a table."""
    if title:
        print(title)
    columns = [visible(name) for name in columns]
    width = max(map(cell_len, columns), default=0)
    for number, row in enumerate(rows):
        if number:
            print()
        for name, value in zip(columns, row, strict=True):
            print(f"{name}{' ' * (width - cell_len(name))}  {_text(value).plain}".rstrip())


class _Layout:
    """The cells of a table, and how wide its columns become."""

    def __init__(self, columns: Sequence[str], content: list[list[Any]]) -> None:
        self._names = [visible(name) for name in columns]
        self._cells = [[_text(value) for value in row] for row in content]
        indexes = range(len(self._names))
        self._numeric = [
            bool(content) and all(isinstance(row[index], int | float) for row in content) for index in indexes
        ]
        self._empty = [all(row[index] in (None, "") for row in content) for index in indexes]
        self._natural = [max(map(_width, self._column(index))) for index in indexes]
        self._shortest = [
            self._natural[index] if self._numeric[index] else max(map(_longest_word, self._column(index)))
            for index in indexes
        ]
        self._shown = list(indexes)
        self.left_out: list[str] = []
        self._widths = list(self._natural)

    def fit(self, available: int, optional: Sequence[str]) -> bool:
        """Leaves out and narrows columns; False if words would have to be broken."""
        for name in reversed(optional):
            if self._total(self._natural) > available:
                self.left_out += [name for index in self._shown if self._names[index] == name]
                self._shown = [index for index in self._shown if self._names[index] != name]
        if self._total(self._natural) > available:
            self._shown = [index for index in self._shown if not self._empty[index]] or self._shown
        while (excess := self._total(self._widths) - available) > 0:
            narrower = [index for index in self._shown if self._widths[index] > self._shortest[index]]
            if not narrower:
                return False
            widest = max(narrower, key=lambda index: self._widths[index])
            self._widths[widest] -= min(excess, self._widths[widest] - self._shortest[widest], _STEP)
        return True

    def rendered(self, title: str | None) -> Table:
        """For the terminal."""
        shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for index in self._shown:
            shown.add_column(
                Text(self._names[index]),
                justify="right" if self._numeric[index] else "left",
                width=self._widths[index],
                overflow="fold",
            )
        for row in self._cells:
            shown.add_row(*(row[index] for index in self._shown))
        return shown

    def print_whole(self) -> None:
        """For a pipe: one line a row, whatever its length."""
        for row in [[Text(name) for name in self._names], *self._cells]:
            fields = []
            for index, cell in enumerate(row):
                text = cell.plain.replace("\n", " ")
                fill = " " * (self._natural[index] - cell_len(text))
                fields.append(fill + text if self._numeric[index] else text + fill)
            print((" " * _GAP).join(fields).rstrip())

    def _column(self, index: int) -> list[Text]:
        return [Text(self._names[index]), *(row[index] for row in self._cells)]

    def _total(self, widths: list[int]) -> int:
        return sum(widths[index] for index in self._shown) + _GAP * (len(self._shown) - 1)


# By how many characters the widest column is narrowed before the widths are compared again.
_STEP = 4


def _width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split("\n")), default=0)


def _longest_word(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split()), default=0)


def _text(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("–")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, float):
        return Text(f"{value:,.4g}")
    return Text(visible(str(value)))
