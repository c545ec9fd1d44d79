"""Rows of a file as decisions, or as errors that name line and field."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from interlock.errors import InterlockError, UsageError
from interlock.produce.mapping import ColumnMapping
from interlock.schemas import json_text
from interlock.schemas.models import Decision

# What the csv module puts where a row is longer or shorter than the first line.
_SURPLUS = "\0surplus"
_MISSING = "\0missing"

# What decoding leaves of bytes that are not UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")

# Rows in memory at a time: some megabytes of ordinary columns.
CHUNK_ROWS = 5_000

# Here every row has the columns of the first.
_TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class LineError:
    """A line that is no decision: where, which field, what is wrong."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field + ': ' if self.field else ''}{self.message}"


def read(path: Path, mapping: ColumnMapping, now: Callable[[], datetime]) -> Iterator[Decision | LineError]:
    """Every line or row of a .jsonl, .csv or .parquet file, in order; raises InterlockError if it cannot be read."""
    unchecked = path.suffix.lower() in _TABLES
    for line, row in _rows(path):
        if unchecked and isinstance(row, dict):
            mapping.check(list(row), path)
            unchecked = False
        if isinstance(row, str):
            yield LineError(str(path), line, "", row)
            continue
        try:
            yield Decision.model_validate(mapping.decision(row, line, now()))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            yield LineError(str(path), line, name, first["msg"].removeprefix("Value error, "))


def check_readable(path: Path) -> None:
    """Raises InterlockError if there is no such file."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def count(path: Path) -> int | None:
    """How many rows a file has, where that is known without reading it."""
    if path.suffix.lower() != ".parquet":
        return None
    try:
        return int(_parquet_reader().read_metadata(path).num_rows)
    except (OSError, ValueError):  # reading reports what is wrong
        return None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line number, counted from 1, and row; a string says why a line is no row."""
    readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InterlockError(f"{path}: cannot tell what this is; known endings: {', '.join(readers)}")
    try:
        yield from reader(path)
    except OSError as error:
        raise InterlockError(f"cannot read {path}: {error}") from error


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                row = json_text.parse_unlimited(text)
            except json_text.JsonError as error:
                yield line, str(error)
                continue
            yield line, row if isinstance(row, dict) else "not a JSON object"


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Line 1 holds the names of the columns; an empty cell is a missing value."""
    # Bytes that are not UTF-8 spoil their own row only.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file, restkey=_SURPLUS, restval=_MISSING, strict=True)
        columns = len(reader.fieldnames or ())
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield reader.line_num, f"not CSV: {error}"
                continue
            if row is None:
                return
            cells = [cell for cell in row.values() if isinstance(cell, str) and cell is not _MISSING]
            given = len(cells) + len(row.get(_SURPLUS, ()))
            if given != columns:
                yield reader.line_num, f"has {given} columns, the first line names {columns}"
            elif any(map(_UNDECODED.search, cells)):
                yield reader.line_num, "is not UTF-8"
            else:
                yield reader.line_num, {name: cell or None for name, cell in row.items()}


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any] | str]]:
    reader = _parquet_reader()
    from pyarrow import ArrowException

    line = 1
    try:
        with reader.ParquetFile(path) as file:
            for batch in file.iter_batches(CHUNK_ROWS):
                for row in _python_rows(batch):
                    yield line, row
                    line += 1
    except ArrowException as error:
        raise InterlockError(f"cannot read {path}: {error}") from error


def _python_rows(batch: Any) -> Iterator[dict[str, Any] | str]:
    """The rows of a batch; a string for one with a value that Python cannot hold, a time after the year 9999 say."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):  # of which row and column is not said
        for number in range(len(batch)):
            yield _python_row(batch.slice(number, 1))


def _python_row(row: Any) -> dict[str, Any] | str:
    content: dict[str, Any] = {}
    for name, column in zip(row.schema.names, row.columns, strict=True):
        try:
            content[name] = column[0].as_py()
        except (ValueError, OverflowError) as error:
            return f"column {name!r} has a value that Python cannot hold: {error}"
    return content


def _parquet_reader() -> Any:
    """Not a base dependency, and of no use to the other formats."""
    import pyarrow.parquet

    return pyarrow.parquet
