"""Whole batches of framed messages decoded into Arrow columns.

pyruhvro is some twenty times faster than fastavro and is used where it is installed; without it,
`schemas/flat_reader.py` reads flat records such as the routing fields. fastavro is the reference: it decodes every
record that either of them refuses, and what it says is final, so both engines give the same rows and bad messages.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from operator import itemgetter, methodcaller
from typing import Any, Literal, cast

import fastavro
import numpy as np
import pyarrow as pa

from interlock.schemas import avro_schemas, flat_reader, wire, written

try:
    import pyruhvro
except ImportError:  # the accelerator is optional
    pyruhvro = None

Engine = Literal["pyruhvro", "fastavro"]

HeadersOf = Callable[[int], written.Headers]

FASTEST: Engine = "fastavro" if pyruhvro is None else "pyruhvro"


# Below this many records fastavro, at 8 µs each, is faster than the 0.7 ms that a batch costs when read by columns.
_MIN_FLAT_BATCH = 80

_body = itemgetter(slice(wire.HEADER_LENGTH, None))


@dataclass(frozen=True, slots=True)
class Bad:
    """A message that cannot be read: its index in the batch, a stable reason code, and a sentence for a person."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """`rows` of the readable messages in order, `index` their indexes in the batch (None: all of them), `bodies` their
    Avro bytes in the current version, without the wire header, and the `bad` messages in order."""

    rows: pa.RecordBatch
    bodies: list[bytes]
    index: list[int] | None
    bad: list[Bad]


class Decoder:
    """Decodes messages of schema `name` into the columns of `schema_text`: that schema, or a prefix of it.

    Bytes after the last field of `schema_text` are ignored: they are the fields that are not needed here.
    """

    def __init__(self, name: str, schema_text: str, engine: Engine = FASTEST) -> None:
        self._name = name
        self._is_framed = methodcaller("startswith", wire.header(name))
        self._text = schema_text
        # Without logical types fastavro gives plain integers: faster, and no date is out of Python's range.
        document = avro_schemas.without_logical_types(json.loads(schema_text))
        self._schema = fastavro.parse_schema(document)
        self._fields = document["fields"] if flat_reader.reads(document["fields"]) else None
        self._arrow = arrow_schema(schema_text)
        self._fast = engine == "pyruhvro"
        # With its first array pyarrow loads pandas, where it is installed. That second is better spent here than in the
        # first batch, when the partitions of the group already wait for it.
        pa.array([])

    def decode(self, messages: Sequence[bytes | None], headers: HeadersOf | None = None) -> Decoded:
        """Every message is either a row or bad; nothing is raised for what a message contains.

        `headers`: those of the message with this index; asked only about messages that are not of the current version.
        """
        index: list[int] | None = None
        bad: list[Bad] = []
        try:
            framed = all(map(self._is_framed, messages))
        except AttributeError:  # None among them: a tombstone
            framed = False
        if framed:
            bodies = list(map(_body, cast(Sequence[bytes], messages)))
        else:
            index, bodies, bad = self._sort_out_frames(messages, headers)
        if self._fast:
            rows = read_fast(bodies, self._text) if bodies else _joined([], self._arrow)
            if rows is not None:
                return Decoded(rows, bodies, index, bad)
        parts: list[pa.RecordBatch] = []
        unreadable: dict[int, Bad] = {}
        if self._fast:
            self._bisect(bodies, 0, parts, unreadable)
        elif self._fields is not None and len(bodies) >= _MIN_FLAT_BATCH:
            parts.append(self._flat(bodies, self._fields, unreadable))
        else:
            self._slowly(bodies, 0, parts, unreadable)
        rows = _joined(parts, self._arrow)
        if unreadable:
            message_index = range(len(messages)) if index is None else index
            index = [message_index[i] for i in range(len(bodies)) if i not in unreadable]
            bad += [replace(problem, index=message_index[i]) for i, problem in unreadable.items()]
            bad.sort(key=lambda problem: problem.index)
            bodies = [body for i, body in enumerate(bodies) if i not in unreadable]
        return Decoded(rows, bodies, index, bad)

    def _sort_out_frames(
        self, messages: Sequence[bytes | None], headers: HeadersOf | None
    ) -> tuple[list[int], list[bytes], list[Bad]]:
        index: list[int] = []
        bodies: list[bytes] = []
        bad: list[Bad] = []
        for i, message in enumerate(messages):
            try:
                if message is not None and self._is_framed(message):
                    bodies.append(message[wire.HEADER_LENGTH :])
                else:
                    bodies.append(wire.current_body(self._name, message, headers(i) if headers else None))
            except wire.WireError as error:
                bad.append(Bad(i, error.reason, str(error)))
            else:
                index.append(i)
        return index, bodies, bad

    def _bisect(self, bodies: list[bytes], start: int, parts: list[pa.RecordBatch], unreadable: dict[int, Bad]) -> None:
        """For batches with at least one record that the fast engine refuses."""
        if len(bodies) == 1:
            self._slowly(bodies, start, parts, unreadable)
            return
        middle = len(bodies) // 2
        for half, offset in ((bodies[:middle], start), (bodies[middle:], start + middle)):
            rows = read_fast(half, self._text)
            if rows is not None:
                parts.append(rows)
            else:
                self._bisect(half, offset, parts, unreadable)

    def _slowly(self, bodies: list[bytes], start: int, parts: list[pa.RecordBatch], unreadable: dict[int, Bad]) -> None:
        records: list[dict[str, Any]] = []
        for i, body in enumerate(bodies, start):
            try:
                records.append(cast(dict[str, Any], fastavro.schemaless_reader(BytesIO(body), self._schema, None)))
            except Exception:
                try:
                    again = wire.earlier_body(self._name, avro_schemas.schema_id(self._name), body)
                    records.append(wire.read_record(BytesIO(body if again is None else again), self._schema))
                except wire.WireError as error:
                    unreadable[i] = Bad(i, error.reason, str(error))
        if records:
            read = [i for i in range(start, start + len(bodies)) if i not in unreadable]
            parts += self._in_range(records, read, unreadable)

    def _in_range(
        self, records: list[dict[str, Any]], indexes: list[int], unreadable: dict[int, Bad]
    ) -> list[pa.RecordBatch]:
        """Their columns. fastavro reads an int of any size, of which Avro allows 32 bits."""
        try:
            return [self._columns(records)]
        except (pa.ArrowInvalid, OverflowError) as error:
            if len(records) == 1:
                (index,) = indexes
                unreadable[index] = Bad(
                    index, "malformed-avro", f"a number in the Avro record is out of range: {error}"
                )
                return []
        middle = len(records) // 2
        return [
            *self._in_range(records[:middle], indexes[:middle], unreadable),
            *self._in_range(records[middle:], indexes[middle:], unreadable),
        ]

    def _flat(self, bodies: list[bytes], fields: list[dict[str, Any]], unreadable: dict[int, Bad]) -> pa.RecordBatch:
        rows, refused = flat_reader.read(bodies, fields, self._arrow)
        if not len(refused):
            return rows
        parts: list[pa.RecordBatch] = []
        bad: dict[int, Bad] = {}
        self._slowly([bodies[i] for i in refused], 0, parts, bad)
        unreadable.update({int(refused[i]): replace(problem, index=int(refused[i])) for i, problem in bad.items()})
        read = np.delete(np.arange(len(bodies)), refused)
        order = np.argsort(np.concatenate([read, np.delete(refused, list(bad))]))
        return _joined([rows, *parts], self._arrow).take(pa.array(order))

    def _columns(self, records: list[dict[str, Any]]) -> pa.RecordBatch:
        # Records hold their fields in the order of the schema.
        columns = zip(*[record.values() for record in records], strict=True)
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, self._arrow, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self._arrow)


def read_fast(bodies: list[bytes], schema_text: str) -> pa.RecordBatch | None:
    """The rows of some Avro records, one at least, without their headers; None if pyruhvro is not installed, or refuses
    one of them."""
    if pyruhvro is None:
        return None
    try:
        rows = pyruhvro.deserialize_array(bodies, schema_text)
        rows.validate(full=True)  # pyruhvro takes any bytes for a string; this refuses what is not UTF-8
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:
        # A Rust panic derives from BaseException. Whatever it was, fastavro decides.
        return None
    return rows


def values(column: pa.Array) -> list[Any]:
    """The values of a column; times are integers, microseconds since the epoch."""
    return cast(list[Any], (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist())


@cache
def arrow_schema(schema_text: str) -> pa.Schema:
    """The Arrow schema of an Avro record schema, the same that pyruhvro makes of it."""
    fields = json.loads(schema_text)["fields"]
    return pa.schema([_arrow_field(field["name"], field["type"], nullable=False) for field in fields])


_PRIMITIVES = {
    "string": pa.string(),
    "bytes": pa.binary(),
    "double": pa.float64(),
    "float": pa.float32(),
    "boolean": pa.bool_(),
    "long": pa.int64(),
    "int": pa.int32(),
}


def _arrow_field(name: str, avro: Any, nullable: bool) -> pa.Field:
    if isinstance(avro, list):
        (inner,) = [branch for branch in avro if branch != "null"]
        return pa.field(name, _arrow_type(inner, nullable), nullable=True)
    return pa.field(name, _arrow_type(avro, nullable), nullable=nullable)


def _arrow_type(avro: Any, nullable: bool) -> pa.DataType:
    """`nullable`: pyruhvro declares all inside a list nullable, and columns must be the same with either."""
    if isinstance(avro, str):
        return _PRIMITIVES[avro]
    if avro.get("logicalType") == "timestamp-micros":
        return pa.timestamp("us")
    if avro["type"] in _PRIMITIVES:
        return _PRIMITIVES[avro["type"]]
    if avro["type"] == "array":
        return pa.list_(pa.field("item", _arrow_type(avro["items"], nullable=True), nullable=True))
    if avro["type"] == "map":
        return pa.map_(pa.string(), _arrow_field("value", avro["values"], nullable=False))
    assert avro["type"] == "record", avro
    return pa.struct([_arrow_field(field["name"], field["type"], nullable) for field in avro["fields"]])


def _joined(parts: list[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    if len(parts) == 1:
        return parts[0]
    table = pa.Table.from_batches([part.cast(schema) for part in parts], schema).combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema)
