"""Lines that were left out, in a file that can be mended and sent again, and beside it the reasons."""

import csv
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from interlock.errors import InterlockError, UsageError
from interlock.produce.layout import Layout, inner_ending
from interlock.produce.reading import LineError
from interlock.produce.rows import Rows
from interlock.schemas import json_text


class Rejects:
    """`path`: the lines as they stood in the file, in its format and encoding, below its first line. `reasons`: a row
    for each problem. Neither is left where nothing was left out."""

    def __init__(self, path: Path, file: Path, rows: Rows, layout: Layout) -> None:
        """Raises UsageError if the lines cannot be written there."""
        self.path = path
        self.reasons = path.with_name(f"{path.stem}.reasons.csv")
        for written in (self.path, self.reasons):
            if written.exists() and file.exists() and written.samefile(file):
                raise UsageError(f"--rejects {path} would overwrite {file}, which is read: name another file")
        ending = inner_ending(file)
        if layout.format is None and path.suffix.lower() != ending:
            raise UsageError(f"--rejects {path}: the lines are written as in {file}; let the name end in {ending}")
        self.count = 0
        try:
            self._lines = rows.copy(path)
            try:
                self._file = self.reasons.open("w", encoding="utf-8", newline="")
            except OSError:
                self._lines.close()
                raise
        except OSError as error:
            raise UsageError(f"cannot write {error.filename or path}: {error.strerror}") from error
        self._reasons = csv.writer(self._file, lineterminator="\n")
        self._reasons.writerow(["line", "field", "problem", "line_before"])

    def add(self, error: LineError) -> None:
        """Writes the line, and what is wrong with it."""
        try:
            line = self._lines.write(error.raw)
            for problem in error.problems:
                text = json_text.printable(f"{problem.kind}{problem.detail}")
                self._reasons.writerow([line, json_text.printable(problem.field), text, error.line])
        except OSError as failure:  # a full disk, say
            raise self._unwritable(failure) from failure
        self.count += 1

    def close(self) -> None:
        try:
            with closing(self._file):
                self._lines.close()
        except OSError as failure:
            raise self._unwritable(failure) from failure
        if not self.count:
            for path in (self.path, self.reasons):
                if path.is_file():  # and no device
                    path.unlink(missing_ok=True)

    def _unwritable(self, failure: OSError) -> InterlockError:
        return InterlockError(f"cannot write {self.path}: {failure.strerror}; it misses lines that were left out")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
