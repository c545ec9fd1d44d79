"""Decisions about people of known groups, and verdicts on what was chosen, in the tables of ClickHouse."""

import random
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.demo import survey
from interlock.encryption.keys import KeyStore
from interlock.policy.load import parse
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from tests.sinks.replay_world import Pipeline, Stored
from tests.sinks.review_records import outcome

CUTS = (18.0, 65.0)
POLICY = parse(
    survey.POLICY.read_text()
    .replace("    queue: eligibility", "    queue: eligibility\n    groups: {age: [18, 65], disability: []}", 1)
    .replace("audit: {rate: 0.05}", "audit: {rate: 0.5}"),
    "live",
)

# Microseconds: the view tells of the last thirty days.
NOW = SystemClock().now() - 7_200_000_000


def decide(
    client: Client, count: int, prefix: str = "fair", answered: float = 1.0, keys: KeyStore | None = None
) -> list[dict[str, Any]]:
    """Every routed decision; `judged` says of each whether people have judged it: the share `answered` of what was
    chosen, without error. `keys` seal what is stored."""
    stored = Stored(client, keys=keys)
    pipeline = Pipeline(stored, key=b"k" * 16)
    pipeline.publish(POLICY, NOW)
    rows = [decision.to_record() | {"created_at": NOW} for decision in survey.decisions(count, prefix)]
    written = [
        record for topic, record in pipeline.route(rows, NOW) if topic != "reviews.async" or record["route"] != "auto"
    ]
    pipeline.flush()
    draw = random.Random(1)
    for record in written:
        chosen = record["audit"] or record["route"] != "auto"
        record["judged"] = chosen and draw.random() < answered
    verdicts = [
        (record["decision"]["decision_id"].encode(), _verdict(record), NOW // 1000 + 60_000)
        for record in written
        if record["judged"]
    ]
    stored.insert(catalogue.OUTCOMES.name, verdicts)
    return written


def _verdict(record: dict[str, Any]) -> bytes:
    decision = record["decision"]
    facts = {name: decision[name] for name in ("domain", "model_id", "model_version", "prediction")}
    facts |= {name: record[name] for name in ("route", "workflow", "audit", "propensity")}
    facts |= {"kind": "audit" if record["route"] == "auto" else "review", "outcome": survey.truth_of(decision)}
    return wire.encode("Outcome", outcome(decision["decision_id"], **facts))
