"""A small world for the tests of the sink: an in-memory Kafka with a pipeline's records, and a ClickHouse to fill."""

from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client
from confluent_kafka import TopicPartition

from interlock.encryption.keys import KeyStore
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import ROUTER_GROUP, SINK_GROUP
from interlock.sinks.reconcile import Reconciliation, reconcile
from interlock.sinks.rows import TARGETS
from interlock.sinks.writer import SinkSettings, SinkWriter
from interlock.streams.clock import ManualClock
from interlock.streams.memory import InlineExecutor, MemoryBroker
from interlock.streams.ports import TopicSpec
from tests.sinks import review_records

TOPICS = tuple(topic.name for topic in catalogue.STORED_TOPICS)
DECISIONS, AUTO, ASYNC, SYNC, MANUAL = (
    catalogue.DECISIONS.name,
    *(topic.name for topic in catalogue.ROUTE_TOPICS),
)
DEAD = catalogue.DEAD_LETTER.name
TASKS, OUTCOMES = catalogue.TASKS.name, catalogue.OUTCOMES.name

# 2026-01-01T00:00:00Z in microseconds.
START = ManualClock.START


def decision(decision_id: str, domain: str, **changes: Any) -> dict[str, Any]:
    """A decision with every field filled."""
    return {
        "decision_id": decision_id,
        "domain": domain,
        "model_id": "scorer",
        "model_version": "7",
        "prediction": "approve",
        "confidence": 0.9,
        "created_at": START - 20_000,
        "impact": "household",
        "amount": 1200.5,
        "novel": False,
        "compliance_review": True,
        "jurisdiction": "DE",
        "subject_id": "s-1",
        "attributes": {"country": "DE", "age": "40"},
        "input": '{"term": 36}',
        "alternatives": [{"option": "reject", "confidence": 0.1, "pros": ["safe"], "cons": ["lost business"]}],
        "explanation": {
            "top_features": [{"feature": "income", "value": "high", "importance": 0.7}],
            "reasoning": "income weighs most",
            "similar_cases": [{"case_id": "c-1", "outcome": "approve"}],
        },
        "history": {
            "previous_decisions": [{"decision_id": "d-0", "outcome": "approve", "decided_at": START - 1}],
            "model_accuracy_on_similar": None,
        },
        "vector": [0.5, -1.0],
        **changes,
    }


def routed(decision: dict[str, Any], route: str, **changes: Any) -> dict[str, Any]:
    """That decision in its envelope."""
    return {
        "routed_at": START,
        "route": route,
        "reasons": ["lane"],
        "calibrated_confidence": 0.85,
        "policy_version": "0123456789abcdef",
        "calibration_version": "",
        "workflow": "escalation",
        "priority": "low",
        "queue": "underwriting",
        "audit": False,
        "propensity": 0.05,
        "override_until": None,
        "notices": ["adverse_action"],
        "quorum": 2,
        "qualifications": ["underwriter"],
        "outcomes": ["approve", "reject"],
        "calendar": '{"time_zone":"UTC"}',
        "service_levels": '{"critical":3600}',
        "outcome_notices": '{"reject":["adverse_action"]}',
        "attestations": ["I can change the decision"],
        "evidence_opened": True,
        "notify_within_days": 30,
        "candidate_version": "0123456789abcdef",
        "candidate_route": "async",
        "live_route": "auto",
        "decision": decision,
        **changes,
    }


@dataclass
class World:
    """`name` is stream id and domain of everything in this world, so that many worlds share one database."""

    name: str
    client: Client
    partitions: int = 2
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    seconds: float = 0.0
    made: int = 0
    keys: KeyStore | None = None
    # What a sink reads and inserts at a time: all there is, because each insert takes as long as a hundred rows.
    max_rows: int = 1_000
    max_consumed: int = 1_000

    def __post_init__(self) -> None:
        self.broker.create_topics([TopicSpec(topic, self.partitions_of(topic)) for topic in TOPICS])
        self.producer = self.broker.producer(None)

    def partitions_of(self, topic: str) -> int:
        return min(self.partitions, catalogue.BY_NAME[topic].partitions)

    # What is in Kafka

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Any = None) -> None:
        self.producer.produce(topic, value, key, headers=headers)
        self.producer.flush()

    def pipeline(self, count: int) -> None:
        """As many decisions as a router and a desk have treated: some take effect, some are audited, reviewed or
        unreadable."""
        for _ in range(count):
            self.made += 1
            kind = self.made % 6
            record = decision(f"{self.name}-{self.made}", self.name)
            key = record["decision_id"].encode()
            if kind == 5:
                self.send(DECISIONS, key, b"not avro")
                self.bury(key, b"not avro")
            else:
                self.send(DECISIONS, key, wire.encode("Decision", record))
                self.route(record, ("auto", "async", "sync", "manual", "auto")[kind], audit=kind == 4)
                if kind:
                    self.review(record["decision_id"], "audit" if kind == 4 else "review")
        self.commit_router()

    def route(self, record: dict[str, Any], route: str, *, audit: bool = False) -> None:
        topic = dict(zip(("auto", "async", "sync", "manual"), (AUTO, ASYNC, SYNC, MANUAL), strict=True))[route]
        value = wire.encode("RoutedDecision", routed(record, route, audit=audit))
        key = record["decision_id"].encode()
        self.send(topic, key, value)
        if audit:
            self.send(ASYNC, key, value)

    def review(self, decision_id: str, kind: str) -> None:
        """A task that comes and is decided, and the verdict."""
        for event, state in (("arrived", "waiting"), ("resolved", "done")):
            record = review_records.task(decision_id, event, domain=self.name, kind=kind, state=state, actor="ann")
            self.tell(TASKS, decision_id, record)
        propensity = 0.05 if kind == "audit" else 1.0
        verdict = review_records.outcome(decision_id, domain=self.name, kind=kind, propensity=propensity)
        self.tell(OUTCOMES, decision_id, verdict)

    def tell(self, topic: str, key: str, record: dict[str, Any] | None) -> None:
        """A record of that topic's schema; None is a tombstone."""
        schema = catalogue.BY_NAME[topic].schema
        assert schema
        self.send(topic, key.encode(), None if record is None else wire.encode(schema, record))

    def bury(self, key: bytes, value: bytes) -> None:
        """A dead letter for the newest decision."""
        ends = self.broker.end_offsets(DECISIONS)
        partition = self.newest_partition(key)
        errors = {
            "exception": self.name,
            "message": "cannot be read",
            "topic": DECISIONS,
            "partition": str(partition),
            "offset": str(ends[partition] - 1),
        }
        headers = [("traceparent", b"00-1"), *((f"__streams.errors.{k}", v.encode()) for k, v in errors.items())]
        self.send(DEAD, key, value, headers)

    def newest_partition(self, key: bytes) -> int:
        for partition in range(self.partitions_of(DECISIONS)):
            log = self.broker.cluster.log(DECISIONS, partition)
            records = list(log.read(max(0, log.end - 1), "read_committed"))
            if records and records[-1].key == key:
                return partition
        raise AssertionError(f"{key!r} is not the newest record of any partition")

    def commit_router(self) -> None:
        """The router has read all decisions there are."""
        consumer = self.broker.consumer(ROUTER_GROUP)
        ends = self.broker.end_offsets(DECISIONS)
        consumer.commit(offsets=[TopicPartition(DECISIONS, p, end) for p, end in ends.items()], asynchronous=False)
        consumer.close()

    def in_kafka(self) -> dict[str, int]:
        """Committed records by topic."""
        return {
            topic: sum(
                1
                for partition in range(self.partitions_of(topic))
                for _ in self.broker.cluster.log(topic, partition).read(0, "read_committed")
            )
            for topic in TOPICS
        }

    # The sink

    @property
    def stream_ids(self) -> dict[str, str]:
        return dict.fromkeys(TOPICS, self.name)

    def writer(
        self,
        broker: MemoryBroker | None = None,
        client: Any = None,
        metrics: Any = None,
        on_expired: Any = lambda _: None,
        **changes: Any,
    ) -> SinkWriter:
        """A sink. By default it inserts at once whatever it has read."""
        sizes = {"flush_seconds": 0.0, "max_rows": self.max_rows, "max_consumed": self.max_consumed, **changes}
        settings = SinkSettings(self.stream_ids, **sizes)
        return SinkWriter(
            broker or self.broker,
            client or self.client,
            settings,
            metrics=metrics,
            monotonic=lambda: self.seconds,
            executor=InlineExecutor(),
            on_expired=on_expired,
            keys=self.keys,
        )

    def settle(self, writer: SinkWriter, steps: int = 200) -> None:
        """Steps until the sink has nothing left to do."""
        for _ in range(steps):
            writer.step()
            self.seconds += 10.0
            if writer.idle and self.lag() == 0:
                return
        raise AssertionError(f"the sink still lags by {self.lag()} after {steps} steps")

    def lag(self) -> int:
        """Records that are not inserted yet, as far as Kafka knows."""
        committed = self.broker.cluster.group(SINK_GROUP).committed
        left = 0
        for topic in TOPICS:
            for partition in range(self.partitions_of(topic)):
                offset, _ = committed.get((topic, partition), (0, ""))
                left += sum(1 for _ in self.broker.cluster.log(topic, partition).read(offset, "read_committed"))
        return left

    # What is in ClickHouse

    def ask(self, query: str) -> Any:
        return self.client.query(query, parameters={"name": self.name}).result_rows

    def in_clickhouse(self) -> dict[str, int]:
        """Rows by topic; fails if any offset stands twice."""
        found: dict[str, int] = dict.fromkeys(TOPICS, 0)
        queries = [
            f"SELECT kafka_topic, count(), uniqExact(kafka_partition, kafka_offset) FROM {table} "
            "WHERE kafka_stream = {name:String} GROUP BY kafka_topic"
            for table in {target.table for target in TARGETS.values()}
        ]
        for topic, count, different in self.ask(" UNION ALL ".join(queries)):
            assert count == different, f"{count - different} rows of {topic} stand twice"
            found[topic] = count
        return found

    def in_roll_ups(self) -> list[tuple[int, ...]]:
        """Records of route topics, dead letters, outcomes and tasks in each set of roll-ups."""
        queries = [
            f"SELECT (SELECT sum(records) FROM routed_by_{bucket} WHERE domain = {{name:String}}), "
            f"(SELECT sum(records) FROM dead_letters_by_{bucket} WHERE reason = {{name:String}}), "
            f"(SELECT sum(records) FROM outcomes_by_{bucket} WHERE domain = {{name:String}}), "
            f"(SELECT sum(records) FROM task_events_by_{bucket} WHERE domain = {{name:String}})"
            for bucket in ("minute", "hour")
        ]
        return [tuple(row) for row in self.ask(" UNION ALL ".join(queries))]

    def assert_exactly_once(self) -> None:
        """Every committed record of Kafka once in its table and in both roll-ups."""
        expected = self.in_kafka()
        assert self.in_clickhouse() == expected
        records = sum(expected[topic] for topic in (AUTO, ASYNC, SYNC, MANUAL))
        assert self.in_roll_ups() == [(records, expected[DEAD], expected[OUTCOMES], expected[TASKS])] * 2

    def reconcile(self) -> Reconciliation:
        return reconcile(
            self.broker,
            self.client,
            partitions={topic: self.partitions_of(topic) for topic in TOPICS},
            stream_ids=self.stream_ids,
            sleep=lambda _: None,
        )


@dataclass
class SmallChunks(World):
    """The same with many inserts, so that much can come in between."""

    max_rows: int = 7
    max_consumed: int = 10
