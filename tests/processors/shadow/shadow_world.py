"""Routed decisions for the tests of shadow mode and of the sampler."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from interlock.policy.compiled import CompiledPolicy, compile_policy
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.version import resolved, version
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker, TopicSpec
from tests.processors.router.messages import NOW, Sent, sent

KEY = bytes(range(16))

POLICY = """
name: lending
audit: {rate: 0.1}
domains:
  loans: {models: [m], shadow: ['m@2', 'new@1'], outcomes: [approve, reject], lanes: {approve: {}}}
  later: {workflow: post_approval, models: ['*'], shadow: ['m@2'], outcomes: [approve, reject], lanes: {approve: {}}}
rules:
  - {id: large, when: amount > 1000, route: sync}
"""


def routed(
    messages: Sequence[Sent], policy: Policy | None = None, key: bytes = KEY
) -> list[tuple[str, dict[str, Any], bytes]]:
    """Topic, record and bytes of what the router makes of the messages."""
    compiled = compile_policy(policy) if policy else _usual_policy()
    state = RouterState(policies={compiled.name: compiled})
    outputs = Router(state, RouterSettings(key)).process(messages, NOW)
    pairs = zip(outputs.topics, outputs.values, strict=True)
    return [(topic, wire.decode("RoutedDecision", value), value or b"") for topic, value in pairs]


@cache
def _usual_policy() -> CompiledPolicy:
    return compile_policy(parse(POLICY, "lending"))


def published(policy: Policy) -> bytes:
    """The policy as its topic has it."""
    record = {
        "name": policy.name,
        "version": version(policy),
        "resolved": resolved(policy),
        "source": "",
        "published_at": NOW,
        "published_by": "me",
    }
    return wire.encode("PolicyVersion", record)


def stream(count: int, rng: np.random.Generator, **fields: Any) -> list[Sent]:
    """Decisions that take effect, some surer than others, with two features each."""
    confidence = rng.uniform(0.95, 1, count)
    vectors = rng.normal(size=(count, 2))
    return [
        sent(f"d-{i:05}", confidence=float(confidence[i]), vector=vectors[i].tolist(), **fields) for i in range(count)
    ]


def answered(record: dict[str, Any], outcome: str, **changes: Any) -> dict[str, Any]:
    """The outcome of a person's verdict on a routed decision."""
    decision = record["decision"]
    same = {name: decision[name] for name in ("decision_id", "domain", "model_id", "model_version", "prediction")}
    kept = {name: record[name] for name in ("queue", "priority", "route", "workflow", "audit", "propensity")}
    return {
        **same,
        **kept,
        "outcome_id": f"{decision['decision_id']}#1",
        "task_id": decision["decision_id"],
        "kind": "audit" if record["audit"] else "review",
        "reviewer": "ann",
        "verdict": "choose",
        "outcome": outcome,
        "overridden": outcome != decision["prediction"],
        "resolves": not record["audit"],
        "gold_outcome": "",
        "reason_code": "other",
        "reason_text": "as I see it",
        "modifications": "",
        "options": [],
        "at": NOW,
        "arrived_at": NOW,
        "claimed_at": NOW,
        "deadline": NOW,
        "within_sla": True,
        "confidence": record["calibrated_confidence"],
        "raw_confidence": decision["confidence"],
        "blind": record["audit"],
        "round": 0,
        "policy_version": record["policy_version"],
        "payload_hash": "",
        "topic": "",
        "partition": 0,
        "offset": 0,
        "settled_before": None,
        "way_settled": None,
        "way_judged": None,
        "way_settled_before": None,
        "open_audits": None,
        "open_reviews": None,
        **changes,
    }


def create_comparison_topics(broker: Broker) -> None:
    """Creates the topics that a comparison reads."""
    topics = (*catalogue.ROUTE_TOPICS, catalogue.SHADOW, catalogue.OUTCOMES, catalogue.POLICIES)
    broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in topics])
