"""What the formats that are text share: an open file, and a copy of some of its lines."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from interlock.errors import InterlockError
from interlock.produce.layout import Layout
from interlock.produce.opening import open_bytes, open_text
from interlock.produce.rows import shown_name
from interlock.schemas import json_text

# Longer than a line with a decision of 4 MiB, the largest that a topic takes, can sensibly be.
MAX_LINE = 32 << 20


class TextRows:
    """An open file of text. `head`: what stands before its first row."""

    total: int | None = None
    head = ""

    def __init__(self, path: Path, layout: Layout, newline: str) -> None:
        self.name = shown_name(path)
        file = open_bytes(path)
        try:
            self.file = open_text(file, layout.encoding, newline)
        except BaseException:
            file.close()
            raise
        self.encoding = self.file.encoding

    def lines(self) -> Iterator[str]:
        """Line after line as it stands; raises InterlockError for one that is too long to be held in memory."""
        number = 0
        while line := self.file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise InterlockError(
                    f"{self.name}:{number}: the line has more than {MAX_LINE:,} characters: send one decision a line"
                )
            yield line

    def copy(self, path: Path) -> "TextWriter":
        """A file of the same encoding that begins with the same head; raises OSError."""
        return TextWriter(path, self.encoding, self.head)

    def close(self) -> None:
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class TextWriter:
    """Lines as they stood in another file, with its head before them."""

    def __init__(self, path: Path, encoding: str, head: str) -> None:
        self._file = path.open("w", encoding=encoding, errors="surrogateescape", newline="")
        self._lines = 0
        if head:
            self.write(head)

    def write(self, raw: Any) -> int:
        begins = self._lines + 1
        text = raw if raw.endswith(("\n", "\r")) else raw + "\n"
        try:
            self._file.write(text)
        except UnicodeEncodeError:  # UTF-16 cannot write back what it could not read
            self._file.write(json_text.printable(text))
        self._lines += text.count("\n") or text.count("\r")
        return begins

    def close(self) -> None:
        self._file.close()
