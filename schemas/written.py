"""The schemas that records were written in: the pinned versions, and those that a source knows.

A process is given a source where it connects (`use`). It is asked only about ids that are not pinned here: versions
that are newer than this process, and ids of a schema registry in `decisions`. What it said is kept, because an id never
changes its meaning.
"""

import json
import logging
from collections.abc import Iterable
from functools import cache
from typing import Any, Protocol

import fastavro

from interlock.errors import UnavailableError
from interlock.schemas import avro_schemas

log = logging.getLogger(__name__)

Headers = Iterable[tuple[str, bytes | None]] | None

# What the keys of Interlock's own versions begin with.
OWN = "interlock/"

# The only schema whose records come from programs that use a registry of their own.
_FOREIGN = "Decision"

# Where the serialisers of Confluent put the schema id, unless they put it in front of the value.
_SCHEMA_HEADER = "__value_schema_id"
_ID_IN_HEADER, _GUID_IN_HEADER = 0, 1
_GUID_PARTS = ((1, 5), (5, 7), (7, 9), (9, 11), (11, 17))


class SchemaUnavailableError(UnavailableError):
    """What knows the schema cannot be asked at present."""


class SchemaSource(Protocol):
    """What knows more schemas than those that are pinned."""

    def find(self, key: str) -> str | None:
        """The schema under an id of `SchemaVersion`; None if there is none. Raises SchemaUnavailableError."""
        ...


class _Known:
    source: SchemaSource | None = None
    schemas: dict[str, Any] = {}  # noqa: RUF012 - one for the process


def use(source: SchemaSource | None) -> None:
    """Asks `source` from now on; None: nothing."""
    _Known.source = source
    _Known.schemas = {}


def source() -> SchemaSource | None:
    """What is asked at present."""
    return _Known.source


def key_of(schema_id: int) -> str:
    """The key of one of Interlock's own versions."""
    return f"{OWN}{schema_id}"


def writer(name: str, schema_id: int) -> Any | None:
    """The parsed schema of the records of `name` under this id; None if nobody knows it or it is another schema.

    An id of Interlock's own stands before the same id of a registry.
    """
    pinned = avro_schemas.lock().get(schema_id)
    if pinned is not None and pinned.name == name:
        return _own(schema_id)
    if pinned is None and (found := _find(key_of(schema_id))) is not None and _is_called(found, name):
        return found
    return _find(f"registry/{schema_id}") if name == _FOREIGN else None


def writer_by_header(name: str, headers: Headers) -> tuple[str, Any | None] | None:
    """What a header says of the schema of a value without a frame: its name for a person, and the parsed schema, None
    if nobody knows it. None: there is no such header."""
    if name != _FOREIGN:
        return None
    for key, value in headers or ():
        if key == _SCHEMA_HEADER and value:
            if value[0] == _ID_IN_HEADER and len(value) == 5:
                schema_id = int.from_bytes(value[1:], "big")
                return f"schema id {schema_id}", writer(name, schema_id)
            if value[0] == _GUID_IN_HEADER and len(value) == 17:
                guid = "-".join(value[start:end].hex() for start, end in _GUID_PARTS)
                return f"schema {guid}", _find(f"guid/{guid}")
    return None


@cache
def earlier(schema_id: int) -> list[Any]:
    """Parsed layouts that were once written under one of Interlock's own ids, beside that of its version."""
    pinned = avro_schemas.lock().get(schema_id)
    return [for_reading(text) for text in pinned.earlier] if pinned else []


def for_reading(text: str) -> Any:
    """A schema of `SchemaVersion.schema`, parsed to read with it. Times in microseconds come as integers; those in
    milliseconds as datetimes, because as integers they would be taken for microseconds. Raises what fastavro raises."""
    content = json.loads(text)
    names: dict[str, Any] = {}
    parsed = None
    for document in content if _is_list_of_documents(content) else [content]:
        parsed = fastavro.parse_schema(_without_logical_types(document), named_schemas=names)
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise ValueError("it describes no record")
    return parsed


@cache
def _own(schema_id: int) -> Any:
    return for_reading(avro_schemas.lock()[schema_id].text)


def _find(key: str) -> Any | None:
    if key not in _Known.schemas:
        text = _Known.source.find(key) if _Known.source is not None else None
        if text is None:
            return None
        try:
            _Known.schemas[key] = for_reading(text)
        except Exception as error:  # of whatever kind: a registry may hold what fastavro does not take
            log.warning("schema %s cannot be used: %s", key, error)
            _Known.schemas[key] = None
    return _Known.schemas[key]


def _is_called(schema: Any, name: str) -> bool:
    return isinstance(schema, dict) and schema.get("name") == f"interlock.{name}"


def _is_list_of_documents(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(document, dict) for document in content)


def _without_logical_types(avro: Any) -> Any:
    if isinstance(avro, dict):
        kept = {key: _without_logical_types(value) for key, value in avro.items() if key not in ("logicalType", "doc")}
        return kept | {"logicalType": "timestamp-millis"} if avro.get("logicalType") == "timestamp-millis" else kept
    if isinstance(avro, list):
        return [_without_logical_types(item) for item in avro]
    return avro
