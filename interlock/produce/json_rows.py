"""JSON Lines: every line is an object that names its own fields."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from interlock.produce.layout import Layout
from interlock.produce.opening import readable, undecoded
from interlock.produce.rows import Problem, Row
from interlock.produce.text_rows import TextRows
from interlock.schemas import json_text

# Where the parser stopped; the line is that of the file.
_PLACE = re.compile(r": line \d+ column (\d+) \(char \d+\)$")


class JsonRows(TextRows):
    """An open file of JSON Lines."""

    columns: Sequence[str] | None = None

    def __init__(self, path: Path, layout: Layout) -> None:
        super().__init__(path, layout, newline="\n")

    def __iter__(self) -> Iterator[Row]:
        with readable(self.name):
            for line, text in enumerate(self.lines(), 1):
                if text.strip():
                    yield Row(line, self._content(text), text)

    def _content(self, text: str) -> "dict[str, object] | Problem":
        if (wrong := undecoded(text, self.encoding)) is not None:
            return Problem("", *_split(wrong, ": "))
        try:
            row = json_text.parse_unlimited(text)
        except json_text.JsonError as error:
            return Problem("", *_split(_PLACE.sub(r" at character \1", str(error)), ": "))
        if isinstance(row, list):
            return Problem("", "a JSON array: send one object a line, as jq -c '.[]' writes them")
        return row if isinstance(row, dict) else Problem("", "not a JSON object")


def _split(text: str, mark: str) -> tuple[str, str]:
    """What all lines with the problem share, and the rest."""
    kind, found, rest = text.partition(mark)
    return kind, found + rest
