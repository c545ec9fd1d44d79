"""History for the tests of replay: random decisions through the real router, as rows of ClickHouse."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import KeyStore
from interlock.policy.model import Policy
from interlock.policy.version import resolved, version
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from tests.processors.router.messages import NOW, Sent

KEY = bytes(range(16))

_ROUTED = {catalogue.SHADOW.name, *(topic.name for topic in catalogue.ROUTE_TOPICS)}

# As they come from producers: some have the form of their type, some do not.
_TEXTS = {
    "age": ["35", "-3", "007", "3.0", "35,0", "", "99999999999999999999", "0"],
    "country": ["DE", "FR", "", "it's", "日"],
    "city": ["a", "b", "aB", "é", "\\"],
    "member": ["true", "FALSE", "maybe", "1", ""],
    "size": ["1", "10", "x"],
}


@dataclass
class Record(Sent):
    """A record as the sink reads it; `at`: Kafka's time in milliseconds."""

    at: int = 0

    def timestamp(self) -> tuple[int, int]:
        return 1, self.at

    def error(self) -> None:
        return None


@dataclass
class Stored:
    """Puts records into the tables as the sink does, with offsets that never repeat. `keys` seal them."""

    client: Client
    offsets: dict[str, int] = field(default_factory=dict)
    keys: KeyStore | None = None

    def insert(self, topic: str, records: Iterable[tuple[bytes, bytes | None, int]]) -> int:
        """Key, value and time in milliseconds of each; returns how many there were."""
        messages = []
        for key, value, at in records:
            offset = self.offsets.get(topic, 0)
            self.offsets[topic] = offset + 1
            messages.append(Record(key, value, record_offset=offset, record_topic=topic, at=at))
        if messages:
            chunk = Chunk(topic, 0, messages[0].record_offset, messages[-1].record_offset)
            table = rows.to_arrow(messages, chunk, "replay", self.keys)
            self.client.insert_arrow(rows.TARGETS[topic].table, table)
        return len(messages)

    def publish(self, policy: Policy, at: int) -> None:
        """A version of a policy in force from `at` on, in microseconds."""
        self.insert(catalogue.POLICIES.name, [(policy.name.encode(), _published(policy, at), at // 1000)])


@dataclass
class Pipeline:
    """A router whose outputs go to ClickHouse, once they are flushed: every insert takes as long as a test may."""

    stored: Stored
    buffered: dict[str, list[tuple[bytes, bytes | None, int]]] = field(default_factory=dict)
    state: RouterState = field(default_factory=RouterState)
    sent: int = 0
    key: bytes = KEY

    def __post_init__(self) -> None:
        self.router = Router(self.state, RouterSettings(self.key, max_bad_share=1.0))

    def publish(self, policy: Policy, at: int = NOW) -> None:
        """Puts a policy in force."""
        self.publish_unseen(policy, at)
        self.stored.publish(policy, at)

    def publish_unseen(self, policy: Policy, at: int = NOW) -> None:
        """Puts a policy in force that ClickHouse does not know yet."""
        self.state.apply(catalogue.POLICIES.name, policy.name.encode(), _published(policy, at))

    def calibrate(self, model_id: str, model_version: str, intercept: float, slope: float, at: int) -> None:
        """A calibration in force from `at` on, in microseconds."""
        record: dict[str, Any] = {
            "model_id": model_id,
            "model_version": model_version,
            "version": f"c-{intercept}-{slope}",
        }
        record |= {"intercept": intercept, "slope": slope, "labels": 100, "fitted_at": at}
        key, value = f"{model_id}@{model_version}".encode(), wire.encode("CalibrationModel", record)
        self.state.apply(catalogue.CALIBRATION_MODELS.name, key, value)
        self.buffered.setdefault(catalogue.CALIBRATION_MODELS.name, []).append((key, value, at // 1000))

    def flush(self) -> None:
        """Stores what has been written so far."""
        for topic, records in self.buffered.items():
            self.stored.insert(topic, records)
        self.buffered.clear()

    def halt(self, scope: str, halted: bool, at: int) -> None:
        """Pulls or lifts a kill switch."""
        record = {"scope": scope, "halted": halted, "reason": "why", "set_by": "ann", "set_at": at}
        self.state.apply(catalogue.CONTROLS.name, scope.encode(), wire.encode("Control", record))

    def route(self, decisions: Sequence[dict[str, Any]], at: int = NOW) -> list[tuple[str, dict[str, Any]]]:
        """Routes a batch at a time in microseconds; topic and record of every output."""
        messages = []
        for decision in decisions:
            value = wire.encode("Decision", decision)
            messages.append(Sent(decision["decision_id"].encode(), value, record_offset=self.sent))
            self.sent += 1
        outputs = self.router.process(messages, at)
        written = []
        for topic, key, routed in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
            if topic in _ROUTED:
                self.buffered.setdefault(topic, []).append((key or b"", routed, at // 1000))
                written.append((topic, wire.decode("RoutedDecision", routed or b"")))
        return written


def _published(policy: Policy, at: int) -> bytes:
    record: dict[str, Any] = {"name": policy.name, "version": version(policy), "resolved": resolved(policy)}
    record |= {"source": "", "published_at": at, "published_by": "ann", "note": ""}
    return wire.encode("PolicyVersion", record)


def random_decisions(policy: Policy, count: int, seed: int, prefix: str, at: int = NOW) -> list[dict[str, Any]]:
    """Decisions of every kind that the policy could tell apart, wrong ones included."""
    draw = random.Random(seed)
    domains = [*policy.domains, "elsewhere"]
    outcomes = [outcome for domain in policy.domains.values() for outcome in domain.outcomes] + ["maybe"]
    models = [model for domain in policy.domains.values() for model in domain.models if model != "*"] + ["m", "a"]
    thresholds = [limit for lane in _lanes(policy) for limit in policy.thresholds(lane)] + [0.5, 0.8]
    thresholds += [limit for lane in _lanes(policy) if lane for limit in lane.auto_raw.values()]
    odd = [float("nan"), float("inf"), -0.1, 1.5, -0.0]
    return [
        {
            "decision_id": f"{prefix}-{number}",
            "domain": draw.choice(domains),
            "model_id": draw.choice(models),
            "model_version": draw.choice(["1", "2"]),
            "prediction": draw.choice(outcomes),
            "confidence": draw.choice([draw.random(), draw.choice(thresholds), draw.random(), draw.choice(odd)])
            if draw.random() < 0.9
            else draw.random(),
            "created_at": at if draw.random() < 0.95 else draw.choice([0, at + 4_000_000_000]),
            "impact": draw.choice(["", "large"]),
            "amount": draw.choice([None, 0.0, -0.0, 5.0, draw.uniform(-10, 20_000), 1e300, float("nan")]),
            "novel": draw.random() < 0.3,
            "compliance_review": draw.random() < 0.3,
            "jurisdiction": draw.choice(["", "DE", "US-CA"]),
            "subject_id": draw.choice(["s-1", "日"]),
            "attributes": {name: draw.choice(texts) for name, texts in _TEXTS.items() if draw.random() < 0.7},
        }
        for number in range(count)
    ]


def _lanes(policy: Policy) -> list[Any]:
    return [None, *(lane for domain in policy.domains.values() for lane in domain.lanes.values())]


def window(start: int, minutes: int = 60) -> tuple[datetime, datetime]:
    """The minutes from a time in microseconds on."""
    since = datetime.fromtimestamp(start / 1e6, UTC)
    return since, since + timedelta(minutes=minutes)
