"""Confluent wire format: a zero byte, the schema id as four big-endian bytes, the Avro body."""

import struct
from functools import cache
from io import BytesIO
from typing import Any, cast

import fastavro

from interlock.errors import InterlockError
from interlock.schemas import avro_schemas
from interlock.schemas.times import with_moments

MAGIC = 0
HEADER_LENGTH = 5


class WireError(InterlockError, ValueError):
    """Bytes that are no message of the expected schema. `reason` is a stable code, the text for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@cache
def header(name: str) -> bytes:
    """The five bytes before every body of schema `name`."""
    return struct.pack(">bI", MAGIC, avro_schemas.schema_id(name))


def encode(name: str, record: dict[str, Any]) -> bytes:
    """`record` as a framed message of schema `name`; raises ValueError naming the field that does not fit."""
    buffer = BytesIO()
    buffer.write(header(name))
    fastavro.schemaless_writer(buffer, avro_schemas.parsed(name), record, strict_allow_default=True)
    return buffer.getvalue()


def decode(name: str, message: bytes | None) -> dict[str, Any]:
    """The record in a framed message of schema `name`; raises WireError.

    Times are datetimes in UTC; one outside Python's calendar is the nearest inside (`interlock.schemas.times`).
    """
    return _decode(name, message, avro_schemas.parsed(name))


def decode_plain(name: str, message: bytes | None) -> dict[str, Any]:
    """As `decode`, with times as the integers they are on the wire: microseconds since the epoch."""
    return _decode(name, message, avro_schemas.parsed_plain(name))


def _decode(name: str, message: bytes | None, schema: Any) -> dict[str, Any]:
    check_header(name, message)
    assert message is not None
    stream = BytesIO(message)
    stream.seek(HEADER_LENGTH)
    record = read_record(stream, schema)
    rest = len(message) - stream.tell()
    if rest:
        raise WireError("trailing-bytes", f"{rest} bytes follow the end of the {name} record")
    return record


def check_header(name: str, message: bytes | None) -> None:
    """Raises WireError unless `message` starts with the header of schema `name`."""
    if message is None:
        raise WireError("empty-value", "the message has no value")
    expected = header(name)
    if message.startswith(expected):
        return
    if len(message) < HEADER_LENGTH or message[0] != MAGIC:
        raise WireError("not-wire-format", "the value does not start with the Confluent wire format's header")
    schema_id = struct.unpack_from(">I", message, 1)[0]
    raise WireError("unknown-schema", f"schema id {schema_id} is not {name} (id {avro_schemas.schema_id(name)})")


def read_record(stream: BytesIO, schema: Any) -> dict[str, Any]:
    """Reads one record; whatever the bytes are, the only error is WireError."""
    start = stream.tell()
    try:
        try:
            record = cast(dict[str, Any], fastavro.schemaless_reader(stream, schema, None))
        except OverflowError:  # perhaps a time outside Python's calendar, which any 64-bit number may be
            stream.seek(start)
            plain = fastavro.schemaless_reader(stream, _plain(schema), None)
            record = cast(dict[str, Any], with_moments(plain, schema))
    except UnicodeDecodeError as error:
        raise WireError("invalid-utf8", f"a string is not UTF-8: {error}") from error
    except Exception as error:
        # fastavro raises many kinds of errors on damaged bytes (EOFError, IndexError, OverflowError, MemoryError,
        # ValueError …); all mean the same here. Their texts may name objects by their address in memory, while a dead
        # letter must be the same in every run: only the kind and the position are reported.
        kind = "ends too early" if isinstance(error, EOFError) else f"is damaged ({type(error).__name__})"
        raise WireError("malformed-avro", f"the Avro record {kind} near byte {stream.tell()}") from error
    return record


def _plain(schema: Any) -> Any:
    """The schema without logical types; what fastavro has added while parsing belongs to the old one."""
    if isinstance(schema, dict):
        schema = {key: value for key, value in schema.items() if not key.startswith("__")}
    return avro_schemas.without_logical_types(schema)
