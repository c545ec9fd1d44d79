"""The feedback role, killed again and again at random moments: what it writes is what an undisturbed run would write,
some of it twice, and it goes on within seconds.

The schedule follows from a seed. `--campaign` or `--crash-kills N` kills more.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import RetrainingTerms
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import Topic
from interlock.schemas.payload import payload_hash
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec
from tests.crash.test_kill_everything import wait_until
from tests.processors.feedback.feedback_world import START, outcome

SEED = 20260303
OUTCOMES = 600

# The suite runs other tests beside, which take most of the machine.
RECOVERY_SECONDS, RECOVERY_SECONDS_IN_THE_SUITE = 30.0, 60.0

SAID = (catalogue.TRAINING_EXAMPLES, catalogue.RETRAINING_REQUESTS, catalogue.ALERTS, catalogue.DEAD_LETTER)
IDS = {"TrainingExample": "example_id", "RetrainingRequest": "request_id", "Alert": "alert_id"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        broker = KafkaBroker(kafka.bootstrap_servers)
        topics = {topic.name: topic for topic in (*catalogue.TOPICS, *SAID)}
        broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in topics.values()])
        yield broker


class Role:
    """`interlock run feedback`, started again after every kill."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self._environment = {
            **os.environ,
            "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "INTERLOCK_DATA_DIR": str(directory / "data"),
            "INTERLOCK_FEEDBACK__EVERY": "50",
            "INTERLOCK_FEEDBACK__RENEW": "200",
        }
        self._log_file = directory / "feedback.log"
        self._log = self._log_file.open("ab")
        self.start()

    def start(self) -> None:
        self._log_start = self._log_file.stat().st_size
        command = [sys.executable, "-m", "interlock", "run", "feedback"]
        self.process = subprocess.Popen(command, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT)

    def follows(self) -> bool:
        """Whether it has come so far since this start that it ends in order when it is told to."""
        return b" follows " in self._log_file.read_bytes()[self._log_start :]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> int:
        self.process.terminate()
        self._log.close()
        return self.process.wait(30)


def routed(number: int, rng: random.Random) -> dict[str, Any]:
    return {
        "routed_at": START,
        "route": "async",
        "reasons": [],
        "calibrated_confidence": 0.7,
        "policy_version": "v",
        "calibration_version": "",
        "workflow": "escalation",
        "priority": "medium",
        "queue": "underwriting",
        "audit": False,
        "propensity": 1.0,
        "override_until": None,
        "notices": [],
        "decision": {
            "decision_id": f"d{number:06d}",
            "domain": "loan",
            "model_id": "credit",
            "model_version": "1",
            "prediction": "approve",
            "confidence": 0.8,
            "created_at": START,
            "attributes": {"purpose": rng.choice(["car", "house"]), "region": rng.choice(["n", "s"])},
            "input": f'{{"number": {number}}}',
        },
    }


def prepare(broker: KafkaBroker, rng: random.Random) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Payloads in Kafka; the outcomes about them."""
    payloads = [routed(number, rng) for number in range(OUTCOMES)]
    values = [wire.encode("RoutedDecision", payload) for payload in payloads]
    producer = broker.producer(None)
    for payload, value in zip(payloads, values, strict=True):
        producer.produce(catalogue.REVIEWS_ASYNC.name, value, payload["decision"]["decision_id"].encode())
    producer.flush()
    outcomes = []
    for number, value in enumerate(values):
        car = payloads[number]["decision"]["attributes"]["purpose"] == "car"
        bad = number in (17, 401)
        outcomes.append(
            outcome(
                number,
                overridden=rng.random() < (0.8 if car else 0.2),
                payload_hash=payload_hash(value),
                propensity=0.0 if bad else rng.choice([0.05, 1.0]),
                resolves=number % 10 != 0,
            )
        )
    return payloads, [wire.encode("Outcome", record) for record in outcomes]


def write(broker: KafkaBroker, outcomes: list[bytes], stop: threading.Event, rng: random.Random) -> None:
    """As the desk does: in small transactions, some of which are aborted."""
    producer = broker.producer("desk")
    producer.init_transactions(30)
    place = 0
    while place < len(outcomes) and not stop.is_set():
        part = outcomes[place : place + rng.randint(1, 8)]
        producer.begin_transaction()
        for value in part:
            producer.produce(catalogue.OUTCOMES.name, value, b"key")
        if rng.random() < 0.2:
            producer.flush(10)
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            place += len(part)
        stop.wait(rng.uniform(0, 0.2))


def read(broker: KafkaBroker, topic: Topic) -> list[bytes]:
    consumer = broker.consumer(None, overrides={"enable.partition.eof": True})
    left = set(range(topic.partitions))
    consumer.assign([TopicPartition(topic.name, number, 0) for number in left])
    found = []
    while left:
        for message in consumer.consume(10_000, 0.2):
            if message.error() is not None:
                left.discard(message.partition())
            else:
                found.append(message.value() or b"")
    consumer.close()
    return found


def undisturbed(payloads: list[dict[str, Any]], outcomes: list[bytes]) -> dict[str, list[bytes]]:
    """By schema, what must be written, in order."""
    feedback = Feedback(RetrainingTerms(every=50, renew=200))
    made: dict[str, list[bytes]] = {schema: [] for schema in IDS}
    for number, value in enumerate(outcomes):
        one = wire.decode_plain("Outcome", value)
        if one["propensity"] == 0:
            continue
        # As the payload reads once it has been written and read.
        payload = wire.decode("RoutedDecision", wire.encode("RoutedDecision", payloads[number]))
        for event in feedback.process(one, payload):
            assert event.topic.schema is not None
            assert event.record is not None
            made[event.topic.schema].append(wire.encode(event.topic.schema, event.record))
    return made


def by_id(schema: str, values: list[bytes]) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for value in values:
        found.setdefault(wire.decode_plain(schema, value)[IDS[schema]], set()).add(value)
    return found


@pytest.mark.crash
@pytest.mark.kafka
@pytest.mark.timeout(900)
def test_what_a_killed_worker_writes_is_what_an_undisturbed_one_would(
    broker: KafkaBroker, tmp_path: Path, crash_kills: int, campaign: bool
) -> None:
    rng = random.Random(SEED)
    payloads, outcomes = prepare(broker, rng)
    expected = undisturbed(payloads, outcomes)
    assert all(expected.values()), "the test must see examples, requests and alerts"
    stop = threading.Event()
    writer = threading.Thread(target=write, args=(broker, outcomes, stop, random.Random(SEED)))
    role = Role(broker._common["bootstrap.servers"], tmp_path)

    def written() -> int:
        return sum(broker.end_offsets(catalogue.TRAINING_EXAMPLES.name).values())

    recoveries = []
    try:
        writer.start()
        wait_until(lambda: written() > 0, "it works", 60)
        for _ in range(crash_kills):
            threading.Event().wait(rng.uniform(0.1, 3))
            role.kill()
            before, killed = written(), time.monotonic()
            role.start()
            if rng.random() < 0.3:  # while it still rebuilds its state
                threading.Event().wait(rng.uniform(0.5, 3))
                role.kill()
                role.start()
            if before < len(expected["TrainingExample"]):
                wait_until(lambda before=before: written() > before, "it goes on", 60)  # type: ignore[misc]
                recoveries.append(time.monotonic() - killed)
        writer.join()
        wait_until(role.follows, "it follows the outcomes", 60)
        wait_until(
            lambda: (
                len(by_id("TrainingExample", read(broker, catalogue.TRAINING_EXAMPLES)))
                == len(expected["TrainingExample"])
            ),
            "everything is written",
            120,
        )
    finally:
        stop.set()
        code = role.close()
    print(f"recoveries: {', '.join(f'{seconds:.1f} s' for seconds in recoveries)}")
    assert code == 0
    assert max(recoveries) <= (RECOVERY_SECONDS if campaign else RECOVERY_SECONDS_IN_THE_SUITE)

    for topic in SAID[:3]:
        assert topic.schema is not None
        found = by_id(topic.schema, read(broker, topic))
        assert all(len(values) == 1 for values in found.values()), "the same bytes, however often it was written"
        assert [next(iter(values)) for values in found.values()] == expected[topic.schema]
    refused = set(read(broker, catalogue.DEAD_LETTER))
    assert refused == {value for value in outcomes if wire.decode_plain("Outcome", value)["propensity"] == 0}
    log = (tmp_path / "feedback.log").read_text()
    assert "Traceback" not in log
