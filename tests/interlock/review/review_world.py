"""A small world for the tests of reviewers' tools: Kafka in memory, and the real desk on it in a thread."""

import threading
from contextlib import closing
from typing import Any

from confluent_kafka import TopicPartition

from interlock.policy.load import parse
from interlock.policy.version import resolved, version
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import FOLLOWED_TOPICS
from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.schemas import catalogue, wire
from interlock.schemas.payload import payload_hash
from interlock.schemas.times import moment
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.tables import TableReader

INPUTS = [topic.name for topic in (catalogue.COMMANDS, *catalogue.ROUTE_TOPICS[1:])]

POLICY = """
name: lending
domains:
  loans:
    models: [m]
    outcomes: [approve, reject, refer]
    lanes:
      approve: {auto: 0.90, async: 0.50, sync: 0.30}
      reject: {auto: 0.95, async: 0.50, sync: 0.30, notice: adverse_action}
    attributes: {age: int}
    groups: {age: [18, 65]}
    queue: underwriting
    reason_codes: [income, history]
rules:
  - {id: large, when: amount > 1000, route: async, because: Large loans are signed by a person}
  - {id: very-large, when: amount > 80000, route: async, four_eyes: true, because: Very large loans need two people}
  - {id: sure-refusal, when: prediction = 'reject', route: async, because: Refusals are checked}
"""


def decision(decision_id: str, **changes: Any) -> dict[str, Any]:
    """A decision with everything a reviewer needs."""
    return {
        "decision_id": decision_id,
        "domain": "loans",
        "model_id": "m",
        "model_version": "7",
        "prediction": "reject",
        "confidence": 0.75,
        "created_at": moment(SystemClock().now()),
        "impact": "household",
        "amount": 12_000.0,
        "novel": False,
        "compliance_review": False,
        "jurisdiction": "DE",
        "subject_id": "s-1",
        "attributes": {"age": "40"},
        "input": '{"term": 36}',
        "alternatives": [{"option": "approve", "confidence": 0.25, "pros": ["loyal"], "cons": ["late payments"]}],
        "explanation": {
            "top_features": [{"feature": "arrears", "value": "2", "importance": -0.7}],
            "reasoning": "arrears weigh most",
            "similar_cases": [{"case_id": "c-1", "outcome": "reject"}],
        },
        "history": {"previous_decisions": [], "model_accuracy_on_similar": 0.8125},
        "vector": [0.5],
        **changes,
    }


def routed(content: dict[str, Any], route: str = "async", **changes: Any) -> dict[str, Any]:
    """That decision in its envelope."""
    return {
        "routed_at": SystemClock().now(),
        "route": route,
        "reasons": [f"lane:loans/{content['prediction']}:{route}", "large"],
        "calibrated_confidence": 0.625,
        "policy_version": version(parse(POLICY, "lending")),
        "calibration_version": "",
        "workflow": "escalation",
        "priority": "medium",
        "queue": "underwriting",
        "audit": False,
        "propensity": 1.0,
        "override_until": None,
        "notices": ["adverse_action"],
        "decision": content,
        **changes,
    }


def task_record(envelope: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The task that a fresh desk makes of a routed decision."""
    processor = DeskProcessor()
    value = wire.encode("RoutedDecision", envelope)
    key = envelope["decision"]["decision_id"].encode()
    topic = f"reviews.{envelope['route']}" if envelope["route"] != "auto" else catalogue.REVIEWS_ASYNC.name
    outputs = processor.process([_Arriving(topic, key, value)], SystemClock().now())
    found, *_ = [
        wire.decode("Task", encoded)
        for name, encoded in zip(outputs.topics, outputs.values, strict=True)
        if name == catalogue.TASKS.name
    ]
    assert found["payload_hash"] == payload_hash(value)
    return {**found, **changes}


class _Arriving:
    """A message before it is anywhere."""

    def __init__(self, topic: str, key: bytes, value: bytes) -> None:
        self._topic, self._key, self._value = topic, key, value

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 0

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 0, 0


class World:
    """A cluster with every topic, the policy in force, and a desk that runs until `close`."""

    def __init__(self) -> None:
        self.broker = MemoryBroker(SystemClock(), waits=True)
        self.broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
        policy = parse(POLICY, "lending")
        record = {
            "name": policy.name,
            "version": version(policy),
            "resolved": resolved(policy),
            "source": POLICY,
            "published_at": SystemClock().now(),
            "published_by": "the test",
        }
        self._send(catalogue.POLICIES.name, policy.name, wire.encode("PolicyVersion", record))
        self.desk = DeskThread(self.broker)
        self.desk.start()

    def publish_reviewers(self, *names: str, **fields: Any) -> None:
        """Enters reviewers; the desk knows them before it answers a later command."""
        publish_reviewers(self.broker, [person({"id": name, **fields}).to_record() for name in names])

    def arrive(self, content: dict[str, Any], route: str = "async", topic: str = "", **changes: Any) -> None:
        """Puts a decision into its review topic; returns when the desk has made a task of it."""
        value = wire.encode("RoutedDecision", routed(content, route, **changes))
        self.arrive_bytes(content["decision_id"], value, topic or f"reviews.{route}")

    def arrive_bytes(self, decision_id: str, value: bytes, topic: str = "reviews.async") -> None:
        """The same with the bytes of a routed decision."""
        self._send(topic, decision_id, value)
        self.desk.wait_for(decision_id)

    def close(self) -> None:
        self.desk.stop()

    def _send(self, topic: str, key: str, value: bytes) -> None:
        producer = self.broker.producer(None)
        producer.produce(topic, value, key.encode())
        producer.flush()


class DeskThread(threading.Thread):
    """The desk's processor with transactions, as its role runs it, without groups and recovery."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(daemon=True)
        self._broker = broker
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._tasks: set[bytes | None] = set()
        self.dead_letters = 0

    def run(self) -> None:
        """In the thread."""
        processor = DeskProcessor()
        producer = self._broker.producer("desk")
        producer.init_transactions()
        consumer = self._broker.consumer(None)
        consumer.assign([TopicPartition(name, 0, 0) for name in INPUTS])
        with closing(TableReader(self._broker, FOLLOWED_TOPICS)) as tables:
            for record in tables.read_all():
                processor.follow(record)
            while not self._stopping.is_set():
                messages = list(consumer.consume(1, 0.02)) + list(consumer.consume(100, 0))
                # After the messages: what was entered in the roster before a command was sent is known to it.
                for record in tables.poll():
                    processor.follow(record)
                outputs = processor.process(messages, SystemClock().now())
                self.dead_letters += sum(outputs.bad.values())
                if outputs.count:
                    producer.begin_transaction()
                    for topic, key, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True):
                        producer.produce(topic, value, key)
                    producer.commit_transaction()
                    with self._changed:
                        written = zip(outputs.topics, outputs.keys, strict=True)
                        self._tasks.update(key for topic, key in written if topic == catalogue.TASKS.name)
                        self._changed.notify_all()
        consumer.close()

    def wait_for(self, task_id: str) -> None:
        """Returns when the task is on the board."""
        with self._changed:
            assert self._changed.wait_for(lambda: task_id.encode() in self._tasks, timeout=30), task_id

    def stop(self) -> None:
        """Returns when the desk has ended."""
        self._stopping.set()
        self.join()
