"""The digest of a stored row, equal for what the sink inserts and for what ClickHouse gives back.

A row is encoded as a structure: its columns in the order of their names, each as name and value, closed by an empty
name. A column that holds the empty value of its type (0, "", [], NULL) is left out: a column which a later migration
adds is empty in all earlier rows, and their digests stay what they were. Nothing else is left out, so two rows that
differ in any value differ in their bytes.

* numbers, times and truth values: 8 bytes, little-endian; times in microseconds; Float32 as Float64. A column may thus
  become wider later. Minus zero is zero and every not-a-number the same one, because ClickHouse may store them so.
* texts and bytes: the length in 4 bytes, then the bytes
* arrays and maps: the number of entries in 4 bytes, then the entries
* tuples: as a row
* inside of these a nullable value has a byte before it: 0 for NULL, which ends there, and 1

Encoding works on whole columns; only SHA-256 sees row by row.
"""

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# What says nothing about the record: who inserted it when and together with what, which a repair may change; and the
# link itself.
NOT_COVERED = frozenset({"link", "inserted_at", "kafka_chunk_first", "kafka_chunk_last"})

# No encoding of another version or purpose gives the same digest.
_PURPOSE = b"interlock leaf 1\0"

_MICROSECONDS = {"s": 1_000_000, "ms": 1_000, "us": 1}

_END = b"\0\0"


def covered(schema: pa.Schema) -> pa.Schema:
    """The fields of `schema`, a table as ClickHouse gives it back, that digests cover, in the order of their names."""
    fields = sorted((field for field in schema if field.name not in NOT_COVERED), key=lambda field: field.name)
    return pa.schema(fields)


def leaves(rows: pa.Table, shape: pa.Schema) -> list[bytes]:
    """The digest of every row. `shape`: see `covered`. Columns that `rows` lacks are empty; those that `shape` lacks
    are not looked at. Raises pyarrow.ArrowInvalid where a value cannot be of its column's type."""
    return [hashlib.sha256(_PURPOSE + row).digest() for row in encoded_rows(rows, shape)]


def encoded_rows(rows: pa.Table, shape: pa.Schema) -> list[bytes]:
    """What `leaves` hashes, without its prefix."""
    names = frozenset(rows.column_names)
    columns = {field.name: _in_one(rows[field.name]) for field in shape if field.name in names}
    encoded: list[bytes] = _structures(columns, list(shape), len(rows)).to_pylist()
    return encoded


def _in_one(column: pa.ChunkedArray) -> pa.Array:
    joined = column.combine_chunks()
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _structures(columns: dict[str, pa.Array], fields: list[pa.Field], count: int) -> pa.Array:
    parts = []
    for field in sorted(fields, key=lambda field: field.name):
        values = columns.get(field.name)
        entry = None if values is None else _entries(values, field)
        if entry is not None:
            parts.append(entry)
    end = pa.scalar(_END, pa.binary())
    if not parts:
        return pa.repeat(end, count)
    return pc.binary_join_element_wise(*parts, end, b"")


def _entries(values: pa.Array, field: pa.Field) -> pa.Array | None:
    """Name and value of each row that has one; None if no row has."""
    if values.null_count == len(values):
        return None
    encoded = _values(values, field)
    if field.nullable:
        present = pc.is_valid(values)
    else:
        present = pc.not_equal(encoded, pa.scalar(_empty(field.type), pa.binary()))
    filled = pc.sum(present).as_py() or 0
    if not filled:
        return None
    name = field.name.encode()
    named = pc.binary_join_element_wise(
        pa.scalar(len(name).to_bytes(2, "little") + name, pa.binary()), encoded, pa.scalar(b"", pa.binary())
    )
    return named if filled == len(values) else pc.if_else(present, named, pa.scalar(b"", pa.binary()))


def _values(values: pa.Array, field: pa.Field) -> pa.Array:
    """Every value as bytes; NULL as the empty value, as ClickHouse stores it where a column is not nullable."""
    kind = field.type
    if pa.types.is_map(kind):
        pairs = [pa.field("", kind.key_type, nullable=False), kind.item_field.with_name("")]
        start, count = int(values.offsets[0].as_py()), int(values.offsets[-1].as_py())
        flat = [values.keys.slice(start, count - start), values.items.slice(start, count - start)]
        entries = pc.binary_join_element_wise(
            *(_nested(part, pair) for part, pair in zip(flat, pairs, strict=True)), pa.scalar(b"", pa.binary())
        )
        return _counted(values.offsets.to_numpy() - start, entries)
    if pa.types.is_list(kind):
        if values.null_count:
            values = pc.coalesce(values, pa.scalar([], values.type))
        start, count = int(values.offsets[0].as_py()), int(values.offsets[-1].as_py())
        entries = _nested(values.values.slice(start, count - start), kind.value_field)
        return _counted(values.offsets.to_numpy() - start, entries)
    if pa.types.is_struct(kind):
        names = [child.name for child in values.type]
        columns = dict(zip(names, values.flatten(), strict=True))
        return _structures(columns, list(kind), len(values))
    if pa.types.is_binary(kind) or pa.types.is_string(kind) or pa.types.is_fixed_size_binary(kind):
        texts = pc.fill_null(values.cast(pa.binary()), b"")
        sizes = np.diff(np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1])
        return pc.binary_join_element_wise(_fixed(sizes.astype("<u4")), texts, pa.scalar(b"", pa.binary()))
    return _fixed(_numbers(values, kind))


def _nested(values: pa.Array, field: pa.Field) -> pa.Array:
    encoded = _values(values, field)
    if not field.nullable:
        return encoded
    one = pc.binary_join_element_wise(pa.scalar(b"\1", pa.binary()), encoded, pa.scalar(b"", pa.binary()))
    return pc.if_else(pc.is_valid(values), one, pa.scalar(b"\0", pa.binary()))


def _numbers(values: pa.Array, kind: pa.DataType) -> NDArray[Any]:
    """Eight bytes a value."""
    if pa.types.is_timestamp(kind):
        ticks = pc.fill_null(values.cast(kind, safe=False).cast(pa.int64()), 0)
        return np.asarray(ticks.to_numpy() * _MICROSECONDS[kind.unit], dtype="<i8")
    if pa.types.is_floating(kind):
        # Adding zero makes minus zero zero.
        floats = np.asarray(pc.fill_null(values.cast(kind, safe=False), 0).to_numpy(zero_copy_only=False) + 0.0, "<f8")
        return np.where(np.isnan(floats), np.float64("nan"), floats)
    if pa.types.is_boolean(kind):
        return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype="<u8")
    if pa.types.is_integer(kind):
        integers = pc.fill_null(values.cast(kind, safe=False), 0).to_numpy(zero_copy_only=False)
        return np.asarray(integers, dtype="<i8" if pa.types.is_signed_integer(kind) else "<u8")
    raise pa.ArrowInvalid(f"the audit trail cannot cover a column of type {kind}")


def _fixed(values: NDArray[Any]) -> pa.Array:
    """Each number's bytes as a binary value."""
    width = values.dtype.itemsize
    offsets = np.arange(len(values) + 1, dtype=np.int32) * width
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(values).tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)


def _counted(offsets: NDArray[np.int32], entries: pa.Array) -> pa.Array:
    """The number of entries of each row, and the entries, which stand one behind the other already."""
    first, data = np.frombuffer(entries.buffers()[1], np.int32), entries.buffers()[2]
    places = first[entries.offset : entries.offset + len(entries) + 1][offsets]
    joined = pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(places.astype(np.int32)), data])
    counts = _fixed(np.diff(offsets).astype("<u4"))
    return pc.binary_join_element_wise(counts, joined, pa.scalar(b"", pa.binary()))


def _empty(kind: pa.DataType) -> bytes:
    if pa.types.is_struct(kind):
        return _END
    if pa.types.is_list(kind) or pa.types.is_map(kind) or pa.types.is_binary(kind) or pa.types.is_string(kind):
        return bytes(4)
    if pa.types.is_fixed_size_binary(kind):
        width: int = kind.byte_width
        return width.to_bytes(4, "little") + bytes(width)
    return bytes(8)
