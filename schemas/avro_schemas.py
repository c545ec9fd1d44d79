"""The Avro schemas: read from `avro/*.avsc`, parsed once, identified by ids pinned in `lock.json`."""

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import fastavro

# A schema may name those before it.
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
    "TrainingExample",
    "RetrainingRequest",
    "CalibrationReport",
    "DriftSignal",
    "Proposal",
    "ActionSequence",
)

# The last field of a decision that the router reads; it forwards the rest unread.
LAST_ROUTING_FIELD = "attributes"


@cache
def text(name: str) -> str:
    """The self-contained schema document of `name` as compact JSON: records that it names are written out in full."""
    return json.dumps(_document(name), separators=(",", ":"))


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
    return json.dumps(document, separators=(",", ":"))


@cache
def routed_prefix_text() -> str:
    """The schema of a `RoutedDecision` up to the end of its decision's routing fields, as JSON."""
    document = _document("RoutedDecision")
    assert document["fields"][-1]["name"] == "decision"
    document["fields"][-1]["type"] = json.loads(routing_prefix_text())
    return json.dumps(document, separators=(",", ":"))


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
def lock() -> dict[str, dict[str, Any]]:
    """What `lock.json` pins for each schema: `id`, `fingerprint` and the `schema` last released."""
    content: dict[str, dict[str, Any]] = json.loads(files("interlock.schemas").joinpath("lock.json").read_text())
    return content


@cache
def schema_id(name: str) -> int:
    """The pinned id of `name` in the wire format."""
    return int(lock()[name]["id"])


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("interlock.schemas").joinpath("avro", f"{name}.avsc").read_text())
    for field in document["fields"]:
        reference = field["type"]
        if isinstance(reference, str) and reference.startswith("interlock."):
            field["type"] = _document(reference.removeprefix("interlock."))
    return document
