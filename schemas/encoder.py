"""Many records of one schema as framed messages, encoded by columns.

pyruhvro is some five times faster than fastavro and is used where it is installed. fastavro is the reference: what
cannot be encoded by columns it encodes or refuses, so both give the same bytes and errors.
"""

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, cast

import pyarrow as pa

from interlock.schemas import avro_schemas, wire
from interlock.schemas.columns import arrow_schema

try:
    import pyruhvro
except ImportError:  # the accelerator is optional
    pyruhvro = None

# A batch costs by columns what fastavro takes for some 32 records, however many fields these have.
_MIN_BATCH = 64


def encode_all(name: str, records: Sequence[dict[str, Any]]) -> list[bytes]:
    """As `wire.encode` for each of `records`, whose times are integers: microseconds since the epoch.

    Raises ValueError as that does.
    """
    if pyruhvro is not None and len(records) >= _MIN_BATCH:
        batch = _columns(name, records)
        bodies = None if batch is None else _bodies(batch, avro_schemas.text(name))
        if bodies is not None:
            frame = wire.header(name)
            return [frame + body for body in bodies]
    return [wire.encode(name, record) for record in records]


def _columns(name: str, records: Sequence[dict[str, Any]]) -> pa.RecordBatch | None:
    """None where a field is missing, unknown or of another type."""
    schema = arrow_schema(avro_schemas.text(name))
    if any(len(record) != len(schema) for record in records):
        return None
    read = _reader(name)
    try:
        columns = zip(*map(read, records), strict=True)
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, schema, strict=True)]
    except (KeyError, ValueError, TypeError, OverflowError):  # pyarrow's own errors are ValueError or TypeError
        return None
    if not all(_is_complete(array, field) for array, field in zip(arrays, schema, strict=True)):
        return None
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


@cache
def _reader(name: str) -> Callable[[dict[str, Any]], tuple[Any, ...]]:
    return itemgetter(*arrow_schema(avro_schemas.text(name)).names)


def _is_complete(array: pa.Array, field: pa.Field) -> bool:
    """Whether nothing is null that must not be: pyarrow takes None, and a struct without a field, for null.

    Its types do not tell what may be null inside a list: with anything null there fastavro decides.
    """
    return (field.nullable or not array.null_count) and not _has_null_inside(array)


def _has_null_inside(array: pa.Array) -> bool:
    if pa.types.is_struct(array.type):
        inner = [array.field(index) for index in range(array.type.num_fields)]
    elif pa.types.is_map(array.type):
        inner = [array.items]
    elif pa.types.is_list(array.type):
        inner = [array.flatten()]
    else:
        return False
    return any(part.null_count or _has_null_inside(part) for part in inner)


def _bodies(batch: pa.RecordBatch, text: str) -> list[bytes] | None:
    """None where pyruhvro does not encode the batch."""
    try:
        (bodies,) = pyruhvro.serialize_record_batch(batch, text, 1)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # A Rust panic derives from BaseException. Whatever it was, fastavro decides.
        return None
    return cast(list[bytes], bodies.to_pylist())
