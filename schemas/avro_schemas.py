"""The Avro schemas: read from `avro/*.avsc`, parsed once; every version has an id, pinned in `lock.json`."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import fastavro

NAMES = (
    "Decision",
    "RoutedDecision",
    "DeadLetter",
    "PolicyVersion",
    "Control",
    "CalibrationModel",
    "Command",
    "CommandReply",
    "Task",
    "Outcome",
    "Resolution",
    "Action",
    "Alert",
    "Reviewer",
    "Presence",
    "Tally",
    "TrainingExample",
    "RetrainingRequest",
    "CalibrationReport",
    "DriftSignal",
    "Proposal",
    "LaneProgress",
    "ActionSequence",
    "SchemaVersion",
    "Access",
    "Viewing",
    "PolicyCandidate",
    "AuditAnchor",
    "KeyEvent",
)

# The last field of a decision that the router reads; it forwards the rest unread.
LAST_ROUTING_FIELD = "attributes"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a schema: what a record under `id` was written with. `number` counts from 1.

    `earlier`: layouts that were written under the same id before ids were pinned for each version. A record that does
    not fit `text` is read with one of them.
    """

    id: int
    name: str
    number: int
    fingerprint: str
    text: str
    earlier: tuple[str, ...] = ()


@cache
def text(name: str) -> str:
    """The schema document of `name` as compact JSON."""
    return _compact(_document(name))


@cache
def parsed(name: str) -> Any:
    """The schema of `name`, parsed for fastavro."""
    return fastavro.parse_schema(json.loads(text(name)))


@cache
def parsed_plain(name: str) -> Any:
    """The schema of `name` without logical types: fastavro then reads times as integers, twice as fast."""
    return fastavro.parse_schema(without_logical_types(_document(name)))


def without_logical_types(avro: Any) -> Any:
    """A schema document without logical types and docs."""
    if isinstance(avro, dict):
        return {k: without_logical_types(v) for k, v in avro.items() if k not in ("logicalType", "doc")}
    if isinstance(avro, list):
        return [without_logical_types(item) for item in avro]
    return avro


@cache
def routing_prefix_text() -> str:
    """The schema of the routing fields at the start of a `Decision`, as JSON."""
    document = _document("Decision")
    names = [field["name"] for field in document["fields"]]
    document["fields"] = document["fields"][: names.index(LAST_ROUTING_FIELD) + 1]
    return _compact(document)


@cache
def routed_prefix_text() -> str:
    """The schema of a `RoutedDecision` up to the end of its decision's routing fields, as JSON."""
    document = _document("RoutedDecision")
    assert document["fields"][-1]["name"] == "decision"
    document["fields"][-1]["type"] = json.loads(routing_prefix_text())
    return _compact(document)


@cache
def routing_prefix() -> Any:
    """The schema of the routing fields at the start of a `Decision`, parsed for fastavro."""
    return fastavro.parse_schema(json.loads(routing_prefix_text()))


@cache
def fingerprint(name: str) -> str:
    """Hex SHA-256 of the schema's parsing canonical form (Avro specification): equal when the bytes agree."""
    return fingerprint_of(text(name))


def fingerprint_of(schema_text: str) -> str:
    """The fingerprint of any schema document."""
    from avro.schema import parse as parse_canonical  # not needed to read and write records

    return hashlib.sha256(parse_canonical(schema_text).canonical_form.encode()).hexdigest()


@cache
def lock() -> dict[int, Version]:
    """Every version of every schema that was ever pinned, by id."""
    return read_lock(files("interlock.schemas").joinpath("lock.json").read_text())


def read_lock(content: str) -> dict[int, Version]:
    """The versions in the text of a lock file."""
    return {
        int(key): Version(
            int(key),
            entry["name"],
            entry["version"],
            entry["fingerprint"],
            _compact(entry["schema"]),
            tuple(map(_compact, entry.get("earlier", ()))),
        )
        for key, entry in json.loads(content).items()
    }


def versions(name: str) -> list[Version]:
    """The pinned versions of `name`, oldest first."""
    return sorted((version for version in lock().values() if version.name == name), key=lambda v: v.number)


@cache
def schema_id(name: str) -> int:
    """The id under which records of `name` are written: that of its newest version."""
    return versions(name)[-1].id


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("interlock.schemas").joinpath("avro", f"{name}.avsc").read_text())
    return document


def _compact(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))
