"""Records as they stand in the topics that the desk reads, and what it wrote, decoded."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME

from interlock.policy.load import parse
from interlock.policy.model import Pack
from interlock.policy.version import resolved, version
from interlock.processors.desk.outputs import DeskOutputs
from interlock.schemas import catalogue, wire
from tests.processors.desk.desk_world import POLICY

START = 1_767_225_600_000_000


@dataclass(frozen=True)
class Record:
    name: str
    key_bytes: bytes | None
    value_bytes: bytes | None
    place: int = 0
    sent_headers: tuple[tuple[str, bytes | None], ...] = (("traceparent", b"00"),)
    appended_at: int | None = None
    """By the broker's clock, in microseconds; None where the topic tells the producer's time."""
    created_at: int = 0
    """By the producer's clock, in microseconds."""

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.place

    def key(self) -> bytes | None:
        return self.key_bytes

    def value(self) -> bytes | None:
        return self.value_bytes

    def headers(self) -> list[tuple[str, bytes | None]]:
        return list(self.sent_headers)

    def timestamp(self) -> tuple[int, int]:
        if self.appended_at is None:
            return TIMESTAMP_CREATE_TIME, self.created_at // 1000
        return TIMESTAMP_LOG_APPEND_TIME, self.appended_at // 1000


def policy_record(text: str = POLICY, packs: tuple[Pack, ...] = ()) -> Record:
    """`packs`: besides those that come with Interlock."""
    policy = parse(text, "p")
    policy = policy.model_copy(update={"packs": policy.packs + packs})
    value = wire.encode(
        "PolicyVersion",
        {
            "name": policy.name,
            "version": version(policy),
            "resolved": resolved(policy),
            "source": text,
            "published_at": START,
            "published_by": "me",
            "note": "",
        },
    )
    return Record("policies", policy.name.encode(), value)


def reviewer_record(name: str, **fields: Any) -> Record:
    value = wire.encode("Reviewer", {"id": name, "name": name} | fields)
    return Record("reviewers", name.encode(), value)


def routed(
    decision_id: str,
    offset: int = 0,
    topic: str = "reviews.async",
    decision: dict[str, Any] | None = None,
    headers: tuple[tuple[str, bytes], ...] = (),
    **fields: Any,
) -> Record:
    known = {
        "decision_id": decision_id,
        "domain": "loan",
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": 0.9,
        "created_at": START,
        "impact": "",
        "amount": 10.0,
        "novel": False,
        "compliance_review": False,
        "jurisdiction": "",
        "subject_id": "",
        "attributes": {},
        "input": "{}",
        "alternatives": [],
        "explanation": {"top_features": [], "reasoning": "", "similar_cases": []},
        "history": {"previous_decisions": [], "model_accuracy_on_similar": None},
        "vector": [],
    } | (decision or {})
    record = {
        "routed_at": START,
        "route": "async",
        "reasons": [],
        "calibrated_confidence": 0.8,
        "policy_version": "v",
        "calibration_version": "",
        "workflow": "pre_approval",
        "priority": "medium",
        "queue": "underwriting",
        "audit": False,
        "propensity": 1.0,
        "override_until": None,
        "notices": [],
        "decision": known,
    } | fields
    return Record(topic, decision_id.encode(), wire.encode("RoutedDecision", record), offset, headers)


def command(number: int, kind: str, actor: str, **fields: Any) -> Record:
    value = wire.encode(
        "Command", {"command_id": f"c{number}", "kind": kind, "actor": actor, "issued_at": START} | fields
    )
    return Record("reviews.commands", b"key", value, number)


def as_written(outputs: DeskOutputs) -> list[Record]:
    """What the desk wrote, as it is read again."""
    columns = zip(outputs.topics, outputs.keys, outputs.values, outputs.headers, strict=True)
    return [Record(topic, key, value, 0, tuple(headers or ())) for topic, key, value, headers in columns]


def records(outputs: DeskOutputs, topic: str) -> list[dict[str, Any]]:
    schema = catalogue.BY_NAME[topic].schema
    assert schema is not None
    return [
        wire.decode_plain(schema, value)
        for name, value in zip(outputs.topics, outputs.values, strict=True)
        if name == topic
    ]
