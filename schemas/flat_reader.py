"""Flat Avro records of a whole batch read column by column with numpy, where no compiled reader is installed.

All records advance together: `_at` holds for each of them the position of its next field. A record that is anything
but plain (cut off, a negative length, a map in several blocks, a number of more than nine bytes, bytes that are not
UTF-8) is given up and left to fastavro, which decides; so this reader never says what is wrong with a record.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# How far reading may run over the end of the last record before that is noticed: a number and the bytes of a double.
_PADDING = 32

# Numbers of up to nine bytes fit in 63 bits; longer ones are rare enough for fastavro.
_LAST_SHIFT = 56

# Every entry of a map is one pass over the batch; records with more are left to fastavro.
_MAX_ENTRIES = 16


def reads(fields: Sequence[dict[str, Any]]) -> bool:
    """Whether these fields of an Avro record are of the kinds known here; a map can only come last."""
    kinds = [_kind(field["type"]) for field in fields]
    return None not in kinds and "map" not in kinds[:-1]


def read(bodies: Sequence[bytes], fields: Sequence[dict[str, Any]], schema: pa.Schema) -> tuple[pa.RecordBatch, Ints]:
    """The rows of the plain records in order, and the indexes of those that were given up."""
    return _Reader(bodies).read(fields, schema)


def _kind(avro: Any) -> str | None:
    if avro in ("string", "double", "boolean", "long"):
        return str(avro)
    if isinstance(avro, list) and avro[0] == "null" and len(avro) == 2 and _kind(avro[1]) in ("double", "long"):
        return f"nullable {_kind(avro[1])}"
    if isinstance(avro, dict) and avro["type"] == "map" and avro["values"] == "string":
        return "map"
    return "long" if isinstance(avro, dict) and avro["type"] == "long" else None


class _Reader:
    def __init__(self, bodies: Sequence[bytes]) -> None:
        self._data = np.frombuffer(b"".join(bodies) + bytes(_PADDING), dtype=np.uint8)
        lengths = np.fromiter(map(len, bodies), dtype=np.int64, count=len(bodies))
        self._end = np.cumsum(lengths)
        self._at = self._end - lengths
        self._plain = np.ones(len(bodies), dtype=bool)

    def read(self, fields: Sequence[dict[str, Any]], schema: pa.Schema) -> tuple[pa.RecordBatch, Ints]:
        readers: dict[str | None, Callable[[], pa.Array]] = {
            "string": self._strings,
            "double": lambda: pa.array(self._doubles()),
            "boolean": self._booleans,
            "long": lambda: pa.array(self._longs()),
            "nullable double": self._nullable_doubles,
            "nullable long": self._nullable_longs,
            "map": self._maps,
        }
        columns = [readers[_kind(field["type"])]() for field in fields]
        arrays = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
        rows = pa.RecordBatch.from_arrays(arrays, schema=schema)
        if self._plain.all():
            return rows, np.empty(0, dtype=np.int64)
        return rows.filter(pa.array(self._plain)), np.flatnonzero(~self._plain)

    def _give_up(self, records: NDArray[np.bool_]) -> None:
        self._plain &= ~records

    def _advance(self, count: Ints | int) -> Ints:
        """The positions before. A record that would run over its end is given up and stays at its end."""
        before = self._at
        after = before + count
        over = after > self._end
        if over.any():
            self._give_up(over)
            after = np.minimum(after, self._end)
        self._at = after
        return before

    def _longs(self) -> Ints:
        byte = self._data[self._advance(1)]
        value = (byte & 0x7F).astype(np.int64)
        unfinished = np.flatnonzero(byte & 0x80)
        shift = 7
        while len(unfinished):
            if shift > _LAST_SHIFT:
                self._plain[unfinished] = False
                break
            more = self._data[self._at[unfinished]]
            value[unfinished] |= (more & 0x7F).astype(np.int64) << shift
            self._at[unfinished] += 1
            unfinished = unfinished[(more & 0x80) != 0]
            shift += 7
        self._advance(0)  # gives up the records that ran over their end
        return (value >> 1) ^ -(value & 1)

    def _lengths(self) -> Ints:
        lengths = self._longs()
        wrong = (lengths < 0) | (lengths > self._end - self._at)
        if wrong.any():
            self._give_up(wrong)
            lengths[wrong] = 0
        return lengths

    def _strings(self) -> pa.Array:
        lengths = self._lengths()
        return self._text(self._advance(lengths), lengths, np.arange(len(lengths)))

    def _text(self, starts: Ints, lengths: Ints, records: Ints) -> pa.Array:
        """Strings out of the data; `records`: which record each belongs to."""
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        text = self._data[np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)]
        # Only strings with bytes beyond ASCII have to be checked.
        beyond_ascii = np.flatnonzero(text & 0x80)
        for index in np.unique(np.searchsorted(offsets, beyond_ascii, side="right") - 1):
            try:
                bytes(text[offsets[index] : offsets[index + 1]]).decode()
            except UnicodeDecodeError:
                self._plain[records[index]] = False
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(text)]
        return pa.Array.from_buffers(pa.large_string(), len(lengths), buffers)

    def _doubles(self) -> NDArray[np.float64]:
        return self._doubles_at(self._advance(8))

    def _doubles_at(self, starts: Ints) -> NDArray[np.float64]:
        values: NDArray[np.float64] = self._data[starts[:, None] + np.arange(8)].view("<f8").ravel()
        return values

    def _booleans(self) -> pa.Array:
        byte = self._data[self._advance(1)]
        self._give_up(byte > 1)
        return pa.array(byte == 1)

    def _present(self) -> NDArray[np.bool_]:
        """Which records have a value in the union with null that comes next."""
        branch = self._data[self._advance(1)]
        self._give_up((branch != 0) & (branch != 2))  # 2: the second branch, in Avro's signed form
        present: NDArray[np.bool_] = branch == 2
        return present

    def _nullable_doubles(self) -> pa.Array:
        present = self._present()
        return pa.array(self._doubles_at(self._advance(np.where(present, 8, 0))), mask=~present)

    def _nullable_longs(self) -> pa.Array:
        absent = ~self._present()
        before, plain = self._at[absent], self._plain[absent]
        values = self._longs()
        # What was read of them is taken back.
        self._at[absent], self._plain[absent] = before, plain
        return pa.array(values, mask=absent)

    def _maps(self) -> pa.Array:
        counts = self._longs()
        self._give_up((counts < 0) | (counts > _MAX_ENTRIES))
        counts[~self._plain] = 0
        entries = []
        for entry in range(int(counts.max(initial=0))):
            records = np.flatnonzero(counts > entry)
            others = counts <= entry  # have no such entry: what is read of them is taken back
            plain = self._plain[others]
            columns = [records]
            for _ in ("key", "value"):
                before = self._at
                lengths = self._lengths()
                self._at[others] = before[others]
                lengths[others] = 0
                starts = self._advance(lengths)
                columns += [starts[records], lengths[records]]
            self._plain[others] = plain
            entries.append(columns)
        self._end_of_maps(counts > 0)
        records, key, key_length, value, value_length = (
            (np.concatenate(column) for column in zip(*entries, strict=True))
            if entries
            else (np.empty(0, dtype=np.int64),) * 5
        )
        order = np.argsort(records, kind="stable")
        keys = self._text(key[order], key_length[order], records[order])
        values = self._text(value[order], value_length[order], records[order])
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return pa.MapArray.from_arrays(pa.array(offsets), keys.cast(pa.string()), values.cast(pa.string()))

    def _end_of_maps(self, filled: NDArray[np.bool_]) -> None:
        """A map that has entries ends with an empty block; further blocks are left to fastavro."""
        last = self._data[np.minimum(self._at, self._end)]
        self._give_up(filled & ((self._at >= self._end) | (last != 0)))
