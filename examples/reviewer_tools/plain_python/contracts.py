"""The schemas that `interlock schemas export` has written, and records in Confluent's wire format."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import fastavro

Record = dict[str, Any]

# A zero byte and the schema id.
HEADER_LENGTH = 5


class Contracts:
    """Encodes and decodes records, whichever pinned version of a schema they were written with."""

    def __init__(self, directory: Path) -> None:
        entries = json.loads((directory / "index.json").read_text())["schemas"]
        self._by_header = {bytes.fromhex(entry["header"]): _parsed(directory / entry["file"]) for entry in entries}
        self._headers = {entry["schema"]: bytes.fromhex(entry["header"]) for entry in entries if entry["current"]}

    def encode(self, name: str, record: Record) -> bytes:
        """The record as a value of its topic; fields with a default may be missing."""
        header = self._headers[name]
        body = BytesIO()
        fastavro.schemaless_writer(body, self._by_header[header], record)
        return header + body.getvalue()

    def decode(self, name: str, value: bytes) -> Record:
        """The record in a value, as the newest version of its schema has it; times are microseconds since the epoch."""
        writer = self._by_header.get(value[:HEADER_LENGTH])
        if writer is None:
            raise ValueError(f"a {name} begins with {value[:HEADER_LENGTH].hex()}: export the schemas again")
        body = BytesIO(value[HEADER_LENGTH:])
        return cast(Record, fastavro.schemaless_reader(body, writer, self._by_header[self._headers[name]]))


def _parsed(path: Path) -> Any:
    return fastavro.parse_schema(_without_logical_types(json.loads(path.read_text())), named_schemas={})


def _without_logical_types(schema: Any) -> Any:
    """A producer's time may be any 64-bit number, and Python's calendar ends in the year 9999: numbers they stay."""
    if isinstance(schema, dict):
        return {key: _without_logical_types(part) for key, part in schema.items() if key != "logicalType"}
    return [_without_logical_types(part) for part in schema] if isinstance(schema, list) else schema
