"""Confluent wire format: a zero byte, the schema id as four big-endian bytes, the Avro body.

Records of other versions than the current one are resolved: read with the schema of their writer, as its id names it,
and encoded again in the current one.
"""

import json
import struct
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any, cast

import fastavro
from fastavro.read import SchemaResolutionError

from interlock.errors import InterlockError
from interlock.schemas import avro_schemas, written
from interlock.schemas.times import with_moments

MAGIC = 0
HEADER_LENGTH = 5

_MAX_REASON_LENGTH = 200


class WireError(InterlockError, ValueError):
    """Bytes that are no message of the expected schema. `reason` is a stable code, the text for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@cache
def header(name: str) -> bytes:
    """The five bytes before every body of schema `name`."""
    return header_of(avro_schemas.schema_id(name))


def header_of(schema_id: int) -> bytes:
    """The five bytes before the body of a record written under this id."""
    return struct.pack(">bI", MAGIC, schema_id)


def encode(name: str, record: dict[str, Any]) -> bytes:
    """`record` as a framed message of schema `name`; raises ValueError naming the field that does not fit."""
    buffer = BytesIO()
    buffer.write(header(name))
    fastavro.schemaless_writer(buffer, avro_schemas.parsed(name), record, strict_allow_default=True)
    return buffer.getvalue()


def encodings(name: str, record: dict[str, Any]) -> Iterator[bytes]:
    """`record` as every pinned version of schema `name` would have written it, the newest first."""
    for version in reversed(avro_schemas.versions(name)):
        buffer = BytesIO()
        buffer.write(header_of(version.id))
        try:
            fastavro.schemaless_writer(buffer, fastavro.parse_schema(json.loads(version.text)), record)
        except (ValueError, TypeError):
            continue  # it lacks a field that this version had
        yield buffer.getvalue()


def decode(name: str, message: bytes | None) -> dict[str, Any]:
    """The record in a framed message of schema `name`; raises WireError.

    Times are datetimes in UTC; one outside Python's calendar is the nearest inside (`interlock.schemas.times`).
    """
    return _decode(name, message, avro_schemas.parsed(name))


def decode_plain(name: str, message: bytes | None, *, exact: bool = True) -> dict[str, Any]:
    """As `decode`, with times as the integers they are on the wire: microseconds since the epoch.

    `exact`: whether bytes behind the record are an error. Readers of whole batches (`columns.Decoder`) do not see them.
    """
    return _decode(name, message, avro_schemas.parsed_plain(name), exact=exact)


def _decode(name: str, message: bytes | None, schema: Any, *, exact: bool = True) -> dict[str, Any]:
    body = current_body(name, message)
    try:
        return _read_all(name, body, schema, exact=exact)
    except WireError:
        again = earlier_body(name, avro_schemas.schema_id(name), body)
        if again is None:
            raise
        return _read_all(name, again, schema, exact=exact)


def current_body(name: str, message: bytes | None, headers: written.Headers = None) -> bytes:
    """The Avro body of a message of schema `name`, in the current version; raises WireError.

    A message of the current version keeps its bytes; others are encoded again. `headers`: those of the message, where a
    producer may have put the schema's id into one of them.
    """
    if message is None:
        raise WireError("empty-value", "the message has no value")
    if message.startswith(header(name)):
        return message[HEADER_LENGTH:]
    try:
        schema_id = 0
        if (by_header := written.writer_by_header(name, headers)) is not None:
            label, writer = by_header
            body = message
        elif len(message) < HEADER_LENGTH or message[0] != MAGIC:
            raise WireError("not-wire-format", "the value does not start with the Confluent wire format's header")
        else:
            schema_id = struct.unpack_from(">I", message, 1)[0]
            label, writer = f"schema id {schema_id}", written.writer(name, schema_id)
            body = message[HEADER_LENGTH:]
    except written.SchemaUnavailableError as error:
        raise WireError("schema-unavailable", str(error)) from error
    if writer is None:
        raise WireError(
            "unknown-schema",
            f"{label} is not {name} (id {avro_schemas.schema_id(name)}), nor a version of it that is known here",
        )
    try:
        return _translated(name, body, writer, label)
    except WireError:
        again = earlier_body(name, schema_id, body)
        if again is None:
            raise
        return again


def earlier_body(name: str, schema_id: int, body: bytes) -> bytes | None:
    """The body in the current version, if it has one of the layouts that were once written under this id."""
    for layout in written.earlier(schema_id):
        try:
            return _translated(name, body, layout, "an earlier layout")
        except WireError:
            continue
    return None


def _translated(name: str, body: bytes, writer: Any, label: str) -> bytes:
    stream = BytesIO(body)
    try:
        record = read_record(stream, writer, avro_schemas.parsed_plain(name))
    except SchemaResolutionError as error:
        # Such texts repeat whole schemas.
        reason = str(error)[:_MAX_REASON_LENGTH]
        raise WireError("unknown-schema", f"{label} cannot be read as {name}: {reason}") from error
    if rest := len(body) - stream.tell():
        raise WireError("trailing-bytes", f"{rest} bytes follow the end of the record of {label}")
    buffer = BytesIO()
    try:
        fastavro.schemaless_writer(buffer, avro_schemas.parsed(name), record)
    except Exception as error:
        raise WireError("malformed-avro", f"the record of {label} is no {name}: {error}") from error
    return buffer.getvalue()


def _read_all(name: str, body: bytes, schema: Any, *, exact: bool) -> dict[str, Any]:
    stream = BytesIO(body)
    record = read_record(stream, schema)
    if exact and (rest := len(body) - stream.tell()):
        raise WireError("trailing-bytes", f"{rest} bytes follow the end of the {name} record")
    return record


def read_record(stream: BytesIO, schema: Any, reader: Any = None) -> dict[str, Any]:
    """Reads one record; whatever the bytes are, the only error is WireError.

    `reader`: the schema to resolve to, with which fastavro's SchemaResolutionError is raised as well; None: none.
    """
    start = stream.tell()
    try:
        try:
            record = cast(dict[str, Any], fastavro.schemaless_reader(stream, schema, reader))
        except OverflowError:  # perhaps a time outside Python's calendar, which any 64-bit number may be
            if reader is not None:
                raise
            stream.seek(start)
            plain = fastavro.schemaless_reader(stream, _plain(schema), None)
            record = cast(dict[str, Any], with_moments(plain, schema))
    except SchemaResolutionError:
        raise
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
