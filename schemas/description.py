"""What a program without Interlock's code must know to read and write its topics."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.errors import UsageError
from interlock.schemas import avro_schemas, catalogue, wire
from interlock.schemas.avro_schemas import Version

FRAMING = "a zero byte, the schema id as four bytes (big-endian), the Avro body"

_INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Description:
    """A version of a schema. `topics`: where records are written with it, with the key of each; none for an older
    version. `header`: the five bytes before the Avro body, as hex digits."""

    schema: str
    version: int
    id: int
    current: bool
    header: str
    topics: dict[str, str]


def describe() -> list[Description]:
    """Every pinned version of every schema, by name in the order of the data and then by age."""
    return [
        _description(version, current=version.id == avro_schemas.schema_id(name))
        for name in avro_schemas.NAMES
        for version in avro_schemas.versions(name)
    ]


def find(name: str, number: int | None = None) -> tuple[Description, dict[str, Any]]:
    """A version of a schema, by default the current one, and its document. Raises UsageError."""
    versions = avro_schemas.versions(name)
    if not versions:
        raise UsageError(f"there is no schema {name!r}; there are {', '.join(avro_schemas.NAMES)}")
    chosen = next((version for version in versions if version.number == number), None)
    if chosen is None:
        if number is not None:
            numbers = ", ".join(str(version.number) for version in versions)
            raise UsageError(f"{name} has no version {number}; there are {numbers}")
        chosen = versions[-1]
    document: dict[str, Any] = json.loads(chosen.text)
    return _description(chosen, current=chosen is versions[-1]), document


def export(directory: Path) -> list[Path]:
    """Writes every version as a file that can be parsed alone, and an index of ids, topics and keys. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    entries = []
    for description in describe():
        _, document = find(description.schema, description.version)
        name = description.schema if description.current else f"{description.schema}.v{description.version}"
        paths.append(directory / f"{name}.avsc")
        paths[-1].write_text(json.dumps(document, indent=2) + "\n")
        entries.append({"file": paths[-1].name} | as_json(description))
    paths.append(directory / _INDEX)
    paths[-1].write_text(json.dumps({"framing": FRAMING, "schemas": entries}, indent=2) + "\n")
    return paths


def as_json(description: Description) -> dict[str, Any]:
    """For programs."""
    return {name: getattr(description, name) for name in Description.__slots__}


def _description(version: Version, *, current: bool) -> Description:
    topics = {topic.name: topic.key for topic in catalogue.TOPICS if topic.schema == version.name} if current else {}
    return Description(version.name, version.number, version.id, current, wire.header_of(version.id).hex(), topics)
