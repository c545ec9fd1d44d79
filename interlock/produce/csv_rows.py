"""CSV as spreadsheets and databases write it: any delimiter and encoding, cells of several lines, unnamed columns."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from interlock.errors import UsageError
from interlock.produce.layout import Layout, inner_ending
from interlock.produce.opening import readable, undecoded
from interlock.produce.rows import Problem, Row
from interlock.produce.text_rows import TextRows

_DELIMITERS = ",;\t|"

# No cell can be longer: a topic takes decisions of 4 MiB. A quote that is never closed ends here.
_MAX_CELL = 4 << 20


class CsvRows(TextRows):
    """An open file. `columns`: the names of the first line, in its order, empty ones and repetitions too."""

    def __init__(self, path: Path, layout: Layout) -> None:
        super().__init__(path, layout, newline="")
        self.columns: Sequence[str] | None = None
        csv.field_size_limit(_MAX_CELL)
        self._lines = _Lines(self.lines())
        self._delimiter = layout.delimiter or ("\t" if inner_ending(path) == ".tsv" else None)
        try:
            with readable(self.name):
                self.columns = self._header()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Row]:
        columns = self.columns or ()
        names = {index: name for index, name in enumerate(columns) if name}
        plain = len(names) == len(set(names.values())) == len(columns)
        width = len(columns)
        with readable(self.name):
            for line, cells, raw in self._rows():
                if isinstance(cells, Problem):
                    yield Row(line, cells, raw)
                    continue
                if not any(cells):  # as spreadsheets leave them below a table
                    continue
                if len(cells) > width and not any(cells[width:]):
                    del cells[width:]
                if (wrong := undecoded(raw, self.encoding)) is not None:
                    kind, _, detail = wrong.partition(": ")
                    yield Row(line, Problem("", kind, f": {detail}"), raw)
                elif len(cells) != width:
                    yield Row(line, Problem("", f"has {len(cells)} columns, the first line names {width}"), raw)
                elif plain:
                    values = [cell or None for cell in cells]
                    yield Row(line, dict(zip(columns, values, strict=True)), raw)
                else:
                    yield Row(line, {name: cells[index] or None for index, name in names.items()}, raw)

    def _rows(self) -> "Iterator[tuple[int, list[str] | Problem, str]]":
        """Where each row begins, its cells or why there are none, and its text."""
        reader = csv.reader(self._lines, delimiter=self._delimiter or ",", strict=True)
        taken = self._lines.taken
        while True:
            taken.clear()
            begins = self._lines.number + 1
            try:
                cells: Any = next(reader, None)
            except csv.Error as error:
                # What stands in the lines that an open quote has swallowed are rows of their own.
                several = len(taken) > 1
                self._lines.give_back()
                cells = Problem("", _what_is_wrong(str(error), several))
            if cells is None:
                return
            yield begins, cells, taken[0] if len(taken) == 1 else "".join(taken)

    def _header(self) -> tuple[str, ...]:
        """Reads the first line, and decides on the delimiter."""
        first = next(self._lines, "")
        if first.rstrip("\r\n")[:-1] == "sep=" and first.isascii():  # Excel's own
            self._delimiter = self._delimiter or first[4]
            self.head = first
            first = next(self._lines, "")
        while first and not first.strip():
            self.head += first
            first = next(self._lines, "")
        if "\0" in first:
            raise UsageError(
                f"{self.name}:1: has zero bytes: is it UTF-16? Say --encoding utf-16-le, or save it as UTF-8"
            )
        if (wrong := undecoded(first, self.encoding)) is not None:
            raise UsageError(f"{self.name}:{self._lines.number}: {wrong}")
        self._delimiter = self._delimiter or _delimiter(first, self.name)
        self._lines.take_back(first)
        for _, cells, raw in self._rows():
            if isinstance(cells, Problem):
                raise UsageError(f"{self.name}:{self._lines.number}: the names of the columns: {cells}")
            self.head += raw
            while cells and not cells[-1].strip():  # columns that a spreadsheet adds
                cells.pop()
            if cells:
                return tuple(cell if cell.strip() else "" for cell in cells)
        return ()


class _Lines:
    """The lines of a file with their number; a line that was taken can be given back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._coming = lines
        self._back: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line: str = self._back.popleft() if self._back else next(self._coming)
        self.number += 1
        self.taken.append(line)
        return line

    def take_back(self, line: str) -> None:
        if line:
            self._back.appendleft(line)
            self.number -= 1

    def give_back(self) -> None:
        """All that was taken but the first line."""
        self._back.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]


def _delimiter(first: str, name: str) -> str:
    """Which of the usual delimiters stands most often in the first line, outside of quotes."""
    bare = "".join(first.split('"')[::2])
    counts = sorted(((bare.count(each), each) for each in _DELIMITERS), reverse=True)
    (most, found), (second, other) = counts[:2]
    if most and most == second:
        raise UsageError(f"{name}:1: are columns separated by {found!r} or by {other!r}? Say --delimiter")
    return found if most else ","


def _what_is_wrong(error: str, several_lines: bool) -> str:
    if "expected after" in error:
        return "not CSV: a quote stands inside a quoted cell; write it twice"
    if "field larger than" in error and not several_lines:
        return f"has a cell of more than {_MAX_CELL:,} characters"
    if "unexpected end" in error or "field larger than" in error:
        return "not CSV: a quote is opened and never closed"
    return f"not CSV: {error}"
