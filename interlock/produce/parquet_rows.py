"""Parquet: typed columns, as values of Python."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from interlock.errors import InterlockError, UsageError
from interlock.produce.layout import COMPRESSIONS, STDIN
from interlock.produce.rows import Problem, Row

# Rows in memory at a time: some megabytes of ordinary columns.
CHUNK_ROWS = 5_000

# Rejected rows are written in groups of so many, of which each costs a footer entry.
_GROUP_ROWS = 1_000


class ParquetRows:
    """An open file."""

    def __init__(self, path: Path) -> None:
        if path == STDIN or path.suffix.lower() in COMPRESSIONS:
            raise UsageError(f"{path}: Parquet is read from a file that is not packed once more")
        import pyarrow as pa
        import pyarrow.parquet

        self.name = str(path)
        self._arrow = pa
        try:
            self._file = pa.parquet.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise UsageError(f"cannot read {path}: {what}") from error
        self._schema = self._file.schema_arrow
        self.columns: Sequence[str] | None = tuple(self._schema.names)
        # Making dictionaries of maps slows all columns down.
        self._options = {"maps_as_pydicts": "lossy"} if "map<" in str(self._schema) else {}
        self.total: int | None = self._file.metadata.num_rows

    def __iter__(self) -> Iterator[Row]:
        number = 0
        try:
            for batch in self._file.iter_batches(CHUNK_ROWS):
                for index, content in enumerate(self._contents(batch)):
                    number += 1
                    yield Row(number, content, (batch, index))
        except (OSError, self._arrow.ArrowException) as error:
            raise InterlockError(f"cannot read {self.name} after row {number:,}: {error}") from error

    def copy(self, path: Path) -> "ParquetWriter":
        """A file of the same schema; raises OSError."""
        return ParquetWriter(path, self._schema)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _contents(self, batch: Any) -> "Iterator[dict[str, Any] | Problem]":
        """The rows of a batch; a problem for one with a value that Python cannot hold, such as the year 10000."""
        batch = self._in_microseconds(batch)
        try:
            yield from batch.to_pylist(**self._options)
        except (ValueError, OverflowError):  # of which row and column is not said
            for number in range(len(batch)):
                yield self._content(batch.slice(number, 1))

    def _content(self, row: Any) -> "dict[str, Any] | Problem":
        content: dict[str, Any] = {}
        for name, column in zip(row.schema.names, row.columns, strict=True):
            try:
                content[name] = column[0].as_py(**self._options)
            except (ValueError, OverflowError) as error:
                return Problem(name, "holds a value that Python cannot hold", f": {error}")
        return content

    def _in_microseconds(self, batch: Any) -> Any:
        """Python has no nanoseconds; without the cast pandas would be needed."""
        types = self._arrow.types
        for index, field in enumerate(batch.schema):
            kind = field.type
            if types.is_timestamp(kind) and kind.unit == "ns":
                target = self._arrow.timestamp("us", kind.tz)
            elif types.is_duration(kind) and kind.unit == "ns":
                target = self._arrow.duration("us")
            elif types.is_time64(kind) and kind.unit == "ns":
                target = self._arrow.time64("us")
            else:
                continue
            batch = batch.set_column(index, field.name, batch.column(index).cast(target, safe=False))
        return batch


class ParquetWriter:
    """Rows as they stood in another file."""

    def __init__(self, path: Path, schema: Any) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        self._arrow = pa
        self._writer = pa.parquet.ParquetWriter(path, schema)
        self._waiting: list[Any] = []
        self._rows = 0

    def write(self, raw: Any) -> int:
        batch, index = raw
        self._waiting.append(batch.take(self._arrow.array([index])))  # a copy: a slice would keep the whole batch
        self._rows += 1
        if len(self._waiting) == _GROUP_ROWS:
            self._flush()
        return self._rows

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(self._arrow.Table.from_batches(self._waiting))
            self._waiting.clear()
