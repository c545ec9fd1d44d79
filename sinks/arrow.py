"""Helpers on Arrow columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SECONDS_PER_DAY = 86_400

# 1970-01-01 to 2105-12-31: what DateTime, the type of the roll-ups, can hold. Kafka times before 1970 do not exist.
_KAFKA_TIMES = (0, 49_673 * _SECONDS_PER_DAY - 1)

# 1900-01-01 to 2299-12-31: what DateTime64 can hold. A time outside is nonsense (its decision was sent to a person
# for that), and clients fail to read it back.
_TIMES = (-25_567 * _SECONDS_PER_DAY, 120_530 * _SECONDS_PER_DAY - 1)

_PER_SECOND = {"ms": 1_000, "us": 1_000_000}


def with_sane_times(rows: pa.Table) -> pa.Table:
    """`rows` with every timestamp, nested ones too, clamped to what ClickHouse can hold."""
    for index, name in enumerate(rows.column_names):
        if not _holds_times(rows.schema.types[index]):
            continue
        bounds = _KAFKA_TIMES if name == "kafka_timestamp" else _TIMES
        column = pa.chunked_array([_clamped(piece, bounds) for piece in rows.column(index).chunks])
        rows = rows.set_column(index, name, column)
    return rows


def with_unique_keys(rows: pa.Table) -> pa.Table:
    """`rows` with maps that have every key once, of a repeated one the last entry.

    So says every reader that builds a dictionary, the router's rules and the reviewer's screen among them, while
    ClickHouse would keep all entries and find the first.
    """
    for index, name in enumerate(rows.column_names):
        if pa.types.is_map(rows.schema.types[index]):
            column = pa.chunked_array([_last_entries(piece) for piece in rows.column(index).chunks])
            rows = rows.set_column(index, name, column)
    return rows


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all `tables`; a column that a table lacks is empty there: zero, "", [] or null if it may be."""
    fields: dict[str, pa.Field] = {}
    for table in tables:
        for field in table.schema:
            fields.setdefault(field.name, field)
    schema = pa.schema(list(fields.values()))
    full = [
        pa.table(
            [
                table[field.name].cast(field.type)
                if field.name in table.column_names
                else pa.array([empty(field)] * len(table), field.type)
                for field in schema
            ],
            schema=schema,
        )
        for table in tables
    ]
    return pa.concat_tables(full)


def _last_entries(maps: pa.MapArray) -> pa.MapArray:
    offsets = maps.offsets.to_numpy()
    first, count = int(offsets[0]), int(offsets[-1] - offsets[0])
    keys = maps.keys.slice(first, count)
    encoded = keys.dictionary_encode()
    row_of_entry = np.repeat(np.arange(len(maps)), np.diff(offsets))
    entries = row_of_entry * max(len(encoded.dictionary), 1) + encoded.indices.to_numpy()
    if pc.count_distinct(pa.array(entries)).as_py() == count:
        return maps
    _, from_the_end = np.unique(entries[::-1], return_index=True)
    kept = np.sort(count - 1 - from_the_end)
    sizes = np.bincount(row_of_entry[kept], minlength=len(maps))
    return pa.MapArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32()),
        keys.take(pa.array(kept)),
        maps.items.slice(first, count).take(pa.array(kept)),
        type=maps.type,
    )


def _holds_times(kind: pa.DataType) -> bool:
    if pa.types.is_timestamp(kind):
        return True
    if pa.types.is_list(kind):
        return _holds_times(kind.value_type)
    return pa.types.is_struct(kind) and any(_holds_times(field.type) for field in kind)


def _clamped(values: pa.Array, bounds: tuple[int, int]) -> pa.Array:
    kind = values.type
    if pa.types.is_timestamp(kind):
        low, high = (pa.scalar(bound * _PER_SECOND[kind.unit], pa.int64()) for bound in bounds)
        ticks = values.cast(pa.int64())
        return pc.min_element_wise(pc.max_element_wise(ticks, low, skip_nulls=False), high, skip_nulls=False).cast(kind)
    if pa.types.is_list(kind):
        # Offsets of a slice point into its parent's values, which are therefore taken whole.
        inner = _clamped(values.values, bounds)
        return pa.ListArray.from_arrays(values.offsets, inner, type=kind)
    if pa.types.is_struct(kind):
        children = [_clamped(c, bounds) if _holds_times(c.type) else c for c in values.flatten()]
        return pa.StructArray.from_arrays(children, fields=list(kind))
    return values


def empty(field: pa.Field) -> Any:
    """What a column of that type holds where there is nothing to say."""
    kind = field.type
    if field.nullable and (pa.types.is_timestamp(kind) or pa.types.is_floating(kind)):
        return None
    if pa.types.is_struct(kind):
        return {child.name: empty(child) for child in kind}
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        return []
    if pa.types.is_string(kind):
        return ""
    return b"" if pa.types.is_binary(kind) else 0 if not pa.types.is_boolean(kind) else False
