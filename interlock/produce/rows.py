"""What a file of any format gives: its columns, and row after row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from interlock.produce.layout import STDIN


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line. `field`: empty for the line as a whole; `kind`: the same text for all lines that have
    the problem; `detail`: what is special to this line."""

    field: str
    kind: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.kind}{self.detail}" if self.field else f"{self.kind}{self.detail}"


class Row(NamedTuple):
    """`line`: where it begins, counted from 1. `content`: a value by column, None where there is none, or why the line
    is no row. `raw`: as it stands in the file, for `RowWriter.write`."""

    line: int
    content: dict[str, Any] | Problem
    raw: Any


class RowWriter(Protocol):
    """Writes rows as they stood in the file that they come from."""

    def write(self, raw: Any) -> int:
        """Returns the line of the new file."""
        ...

    def close(self) -> None: ...


class Rows(Protocol):
    """An open file. `columns`: None where every line names its own. `total`: how many rows, where that is known."""

    name: str
    columns: Sequence[str] | None
    total: int | None

    def __iter__(self) -> Iterator[Row]:
        """Raises InterlockError where the file is damaged."""
        ...

    def copy(self, path: Path) -> RowWriter:
        """A file of the same layout; raises OSError."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def shown_name(path: Path) -> str:
    """How messages name a file."""
    return "standard input" if path == STDIN else str(path)
