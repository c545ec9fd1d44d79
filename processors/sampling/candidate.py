"""A decision that the router left to the sampler: parsed from its routed record, and written as the record for review.

The decision itself keeps its producer's bytes; only the prefix is rewritten.
"""

import json
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

import fastavro

from interlock.processors.records import Message
from interlock.schemas import avro_schemas, wire
from interlock.schemas.reasons import ACTIVE_POOL


@dataclass(frozen=True, slots=True)
class Candidate:
    """`routed_at` in microseconds since the epoch; `rate`: the policy's audit rate when it was routed; `confidence`:
    the calibrated one."""

    decision_id: str
    domain: str
    model: tuple[str, str]
    routed_at: int
    rate: float
    confidence: float
    vector: tuple[float, ...]
    message: Message


def candidate(message: Message) -> Candidate | None:
    """The candidate in a record of `decisions.auto-approved`; None if the router did not leave it to the sampler.
    Raises WireError."""
    prefix, stream = _prefix(message.value())
    if ACTIVE_POOL not in prefix["reasons"]:
        return None
    decision = wire.read_record(stream, _decision_schema())
    return Candidate(
        decision_id=decision["decision_id"],
        domain=decision["domain"],
        model=(decision["model_id"], decision["model_version"]),
        routed_at=prefix["routed_at"],
        rate=prefix["propensity"],
        confidence=prefix["calibrated_confidence"],
        vector=tuple(decision["vector"]),
        message=message,
    )


def for_review(candidate: Candidate, propensity: float, reason: str) -> bytes:
    """The routed record as an audit with this propensity; `reason` says how it was sampled."""
    prefix, stream = _prefix(candidate.message.value())
    prefix["audit"] = True
    prefix["propensity"] = propensity
    prefix["reasons"] = [*prefix["reasons"], reason]
    buffer = BytesIO()
    buffer.write(wire.header("RoutedDecision"))
    fastavro.schemaless_writer(buffer, _prefix_schema(), prefix)
    return buffer.getvalue() + stream.read()


def _prefix(value: bytes | None) -> tuple[dict[str, Any], BytesIO]:
    """What the router wrote, and the stream at the first byte of the decision."""
    stream = BytesIO(wire.current_body("RoutedDecision", value))
    return wire.read_record(stream, _prefix_schema()), stream


@cache
def _prefix_schema() -> Any:
    document = avro_schemas.without_logical_types(json.loads(avro_schemas.text("RoutedDecision")))
    assert document["fields"][-1]["name"] == "decision"
    return fastavro.parse_schema({**document, "fields": document["fields"][:-1]})


@cache
def _decision_schema() -> Any:
    return avro_schemas.parsed_plain("Decision")
