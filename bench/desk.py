"""The desk as a process on real Kafka: commands a second, how long a person waits for an answer, memory, rebuilding."""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import KafkaException, TopicPartition

from interlock.errors import InterlockError
from interlock.policy.load import parse
from interlock.policy.version import resolved, version
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import DeskConnection
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import Topic
from interlock.schemas.payload import payload_hash
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec

POLICY = """
name: bench
domains:
  loan_approval: {models: ['*'], outcomes: [approve, reject], queue: underwriting, workflow: pre_approval}
queues:
  underwriting: {}
  experts: {escalations: true, qualifications: [expert]}
"""

REVIEWERS = 100

# Wait all the time, and none of the people who claim may judge them.
FORBIDDEN_TASKS = 20_000

# Longer than anything that is measured, so that a desk that hangs fails and does not wait for ever.
TIMEOUT_SECONDS = 300.0


def run(
    tasks: int = 200_000,
    commands: int = 40_000,
    seconds: float = 20.0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The figures; times in seconds and milliseconds, memory in MB."""
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka(Path(directory)) as kafka:
        broker = KafkaBroker(kafka.bootstrap_servers)
        broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS])
        hire(broker)
        _route(broker, FORBIDDEN_TASKS, "experts")
        hashes = _route(broker, tasks)
        with desk_process(kafka.bootstrap_servers, Path(directory)) as process:
            started = time.perf_counter()
            waiting = tasks + FORBIDDEN_TASKS
            until(lambda: answers(broker) and _taken(broker) >= waiting, "every decision has become a task")
            taken = time.perf_counter() - started
            say(f"{waiting:,} tasks taken over in {taken:.1f} s")
            rate = _throughput(broker, commands, hashes)
            say(f"{rate:,.0f} commands a second")
            waits = _waits(broker, seconds)
            say(f"claim or submit to reply: median {statistics.median(waits):.0f} ms of {len(waits):,}")
            memory = process.memory_info().rss / 1e6
            process.send_signal(signal.SIGKILL)
            process.wait()
        with desk_process(kafka.bootstrap_servers, Path(directory)) as process:
            started = time.perf_counter()
            until(lambda: answers(broker), "the desk answers again")
            rebuilt = time.perf_counter() - started
            say(f"answers {rebuilt:.1f} s after its start")
            after = process.memory_info().rss / 1e6
    waits.sort()
    return {
        "open_tasks": waiting - commands // 2,
        "arrivals_per_second": waiting / taken,
        "commands_per_second": rate,
        "reviewers": REVIEWERS,
        "replies": len(waits),
        "reply_p50_ms": waits[len(waits) // 2],
        "reply_p95_ms": waits[int(len(waits) * 0.95)],
        "memory_mb": memory,
        "memory_after_rebuild_mb": after,
        "rebuild_seconds": rebuilt,
    }


@contextmanager
def desk_process(bootstrap: str, directory: Path) -> Iterator[psutil.Popen]:
    """A desk in a process of its own, as it runs in production."""
    environment = {**os.environ, "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": bootstrap}
    with (directory / "desk.log").open("ab") as log:
        process = psutil.Popen(
            [sys.executable, "-P", "-m", "interlock", "run", "desk"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.is_running():
            process.terminate()
        process.wait()


def hire(broker: KafkaBroker) -> None:
    """Puts the policy in force and enters the people."""
    for topic, records in people_and_policy().items():
        _send(broker, topic, records)


def people_and_policy() -> dict[Topic, dict[str, dict[str, Any]]]:
    """The records of the policy and of the people, by topic and key."""
    policy = parse(POLICY, "bench policy")
    record = {
        "name": policy.name,
        "version": version(policy),
        "resolved": resolved(policy),
        "source": POLICY,
        "published_at": 0,
        "published_by": "bench",
    }
    people = {f"r{number}": {"id": f"r{number}", "name": "", "capacity": 500} for number in range(REVIEWERS)}
    # On the roster and never on duty: otherwise the desk would tell of every task that nobody may judge.
    people["expert"] = {"id": "expert", "name": "", "qualifications": [{"name": "expert", "expires_at": None}]}
    return {catalogue.POLICIES: {policy.name: record}, catalogue.REVIEWERS: people}


def _route(broker: KafkaBroker, tasks: int, queue: str = "underwriting") -> list[str]:
    """Routed decisions of some 450 bytes; returns the hash of each."""
    now = time.time_ns() // 1000
    records = {}
    for number in range(tasks):
        decision_id = f"decision-{number:08d}" if queue == "underwriting" else f"{queue}-{number:08d}"
        records[decision_id] = {
            "routed_at": now,
            "route": "async",
            "reasons": ["lane:loan_approval/approve:async"],
            "calibrated_confidence": 0.8,
            "policy_version": "bench",
            "calibration_version": "",
            "workflow": "pre_approval",
            "priority": ("critical", "high", "medium", "low")[number % 4],
            "queue": queue,
            "audit": False,
            "propensity": 1.0,
            "override_until": None,
            "notices": [],
            "decision": {
                "decision_id": decision_id,
                "domain": "loan_approval",
                "model_id": "credit-scorer",
                "model_version": "7",
                "prediction": "approve",
                "confidence": 0.83,
                "created_at": now,
                "amount": float(number % 9973),
                "attributes": {"applicant_age": "44"},
                "input": '{"purpose":"car","term_months":36,"housing":"own"}',
            },
        }
    return [payload_hash(value) for value in _send(broker, catalogue.REVIEWS_ASYNC, records)]


def _send(broker: KafkaBroker, topic: Topic, records: Mapping[str, dict[str, Any]]) -> list[bytes]:
    assert topic.schema is not None
    producer = broker.producer(None)
    values = []
    for key, record in records.items():
        values.append(wire.encode(topic.schema, record))
        producer.produce(topic.name, values[-1], key.encode())
        producer.poll(0)
    producer.flush()
    return values


def _throughput(broker: KafkaBroker, commands: int, hashes: list[str]) -> float:
    """Claims of named tasks and their verdicts, all sent at once; from the first to the last answer."""
    producer = broker.producer(None)
    before = sum(broker.end_offsets(catalogue.REPLIES.name).values())
    for number in range(commands // 2):
        fields = {"actor": f"r{number % REVIEWERS}", "issued_at": 0, "task_id": f"decision-{number:08d}"}
        verdict = {"verdict": "approve", "reason_code": "agree", "reason_text": "as it should be"}
        shown = {"epoch": 1, "payload_hash": hashes[number]}
        for record in (
            {"command_id": f"claim-{number}", "kind": "claim"},
            {"command_id": f"submit-{number}", "kind": "submit", **shown, **verdict},
        ):
            producer.produce(catalogue.COMMANDS.name, wire.encode("Command", {**fields, **record}), b"bench")
            producer.poll(0)
    started = time.perf_counter()
    producer.flush()

    def answered() -> bool:
        return sum(broker.end_offsets(catalogue.REPLIES.name).values()) - before >= commands

    until(answered, "every command is answered")
    return commands / (time.perf_counter() - started)


def _waits(broker: KafkaBroker, seconds: float) -> list[float]:
    """Milliseconds that each of a hundred people waits for each answer, two seconds apart."""
    waits: list[float] = []
    stop = time.perf_counter() + seconds
    line = DeskConnection(broker)

    def work(name: str, offset: float) -> None:
        desk = DeskClient(broker, name, connection=line)
        pause = threading.Event()
        pause.wait(offset)
        while time.perf_counter() < stop:
            started = time.perf_counter()
            lease = desk.claim()
            waits.append((time.perf_counter() - started) * 1000)
            pause.wait(2)
            started = time.perf_counter()
            desk.submit(
                lease.task_id,
                lease.epoch,
                lease.payload_hash,
                "approve",
                reason_code="agree",
                reason_text="as it should be",
            )
            waits.append((time.perf_counter() - started) * 1000)
            pause.wait(2)

    people = [threading.Thread(target=work, args=(f"r{number}", number * 4 / REVIEWERS)) for number in range(REVIEWERS)]
    for reviewer in people:
        reviewer.start()
    for reviewer in people:
        reviewer.join()
    line.close()
    return waits


def answers(broker: KafkaBroker) -> bool:
    """Whether the desk answers a command at once; on duty is what everybody must be anyway."""
    line = DeskConnection(broker)
    try:
        for number in range(REVIEWERS):
            DeskClient(broker, f"r{number}", connection=line).on_duty()
    except (InterlockError, KafkaException):  # refused, silent, or Kafka itself: it does not answer yet
        return False
    finally:
        line.close()
    return True


def _taken(broker: KafkaBroker) -> int:
    """How many routed decisions the desk has committed."""
    consumer = broker.consumer(catalogue.DESK_GROUP)
    try:
        (committed,) = consumer.committed([TopicPartition(catalogue.REVIEWS_ASYNC.name, 0)], 10)
        return int(committed.offset)
    finally:
        consumer.close()


def until(condition: Callable[[], bool], what: str, timeout: float = TIMEOUT_SECONDS) -> None:
    """Waits until it is so; raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout:g} s: {what}")
        time.sleep(0.05)
