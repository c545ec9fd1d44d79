"""A complete local instance for a proof, simulated people who work its queues, a lead who plants gold items, and the
progress of decisions."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from interlock.client.client import Client
from interlock.platform import instance as instances
from interlock.platform.connection import Platform
from interlock.platform.settings import ClickHouseSettings, KafkaSettings, Settings
from interlock.review.board import Board
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import Reply
from interlock.review.enrolment import publish_reviewers
from interlock.review.payload import PayloadReader
from interlock.review.roster import Person
from interlock.schemas import catalogue, wire
from interlock.schemas.models import Decision
from interlock.simulation.personas import Persona, TruthSource
from interlock.simulation.simulation import Simulation
from interlock.streams.clock import SystemClock
from interlock.streams.tables import TableReader

# Longer than any wait, on a busy machine too.
TIMEOUT_SECONDS = 300.0

# Simulated people need not wait: a minute of handling time passes at once.
_SPEEDUP = 1e6

# Gold items that are planted at once: one by one each would wait for the desk's reply to the one before.
_PLANTERS = 8

# Decisions that are sent together.
_BATCH_SIZE = 10

_OUTCOMES, _EXAMPLES = catalogue.OUTCOMES.name, catalogue.TRAINING_EXAMPLES.name

# The consumer groups that learn, and the topics that they read.
_LEARNING_GROUPS = (("interlock-calibration", _OUTCOMES), ("interlock-proposals", _EXAMPLES))


@dataclass(frozen=True)
class RunningInstance:
    """An instance in `directory`; `settings`: environment variables of its roles."""

    directory: Path
    settings: Mapping[str, str]

    @property
    def platform(self) -> Platform:
        """Kafka and ClickHouse of this instance, regardless of the user's settings."""
        return Platform(Settings(data_dir=self.directory, kafka=KafkaSettings(), clickhouse=ClickHouseSettings()))

    def command(self, *arguments: str) -> str:
        """What `interlock …` prints."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        process = subprocess.run(
            [sys.executable, "-P", "-m", "interlock", *arguments],
            env={**inherited, **self.settings, "INTERLOCK_DATA_DIR": str(self.directory)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if process.returncode:
            raise RuntimeError(f"interlock {' '.join(arguments)}: {process.stdout}{process.stderr}")
        return process.stdout


def describe(directory: Path, audit_key: bytes) -> None:
    """Makes a directory in which an instance starts with a given audit key, which decides what is audited."""
    directory.mkdir(parents=True)
    instances.write(directory, replace(instances.describe(directory, any_port=True), audit_key=audit_key.hex()))


@contextmanager
def running(directory: Path, audit_key: bytes, settings: Mapping[str, str]) -> Iterator[RunningInstance]:
    """Starts an instance as a user would, with a given audit key, and stops it at the end."""
    describe(directory, audit_key)
    instance = RunningInstance(directory, settings)
    try:
        instance.command("up", "--detach")
        yield instance
    finally:
        instance.command("down")


@contextmanager
def at_work(
    platform: Platform, people: Sequence[Persona], truth: TruthSource, seed: int, puts_aside: Callable[[str], bool]
) -> Iterator[Simulation]:
    """People who work all queues meanwhile, but for the tasks that they put aside. Raises the error that made a person
    stop."""
    broker = platform.kafka()
    payloads = PayloadReader(broker, platform.clickhouse, lambda: platform.keys_to_read)
    simulation = Simulation(
        broker,
        people,
        truth=truth,
        clock=SystemClock(),
        payloads=payloads,
        seed=seed,
        speedup=_SPEEDUP,
        puts_aside=puts_aside,
    )
    simulation.register()

    with closing(payloads), ThreadPoolExecutor(1) as pool:
        work = pool.submit(simulation.run)
        try:
            yield simulation
        finally:
            simulation.stopping.set()
        work.result()


class Lead:
    """A lead who knows the truth and plants some of what was judged as gold items."""

    def __init__(self, platform: Platform, answer: Callable[[Mapping[str, Any]], str]) -> None:
        """`answer`: the right outcome for the decision of an `Outcome` record; empty: it is not planted."""
        broker = platform.kafka()
        publish_reviewers(broker, [Person(id="proof-lead", name="Lead", role="lead").to_record()])
        self._answer = answer
        self._client = DeskClient(broker, "proof-lead")
        self._pool = ThreadPoolExecutor(_PLANTERS)
        self._planted: list[Future[Reply]] = []

    def hear(self, outcome: Mapping[str, Any]) -> None:
        """Plants what was judged, if it is one of those."""
        answer = self._answer(outcome)
        if answer:
            self._planted.append(self._pool.submit(self._client.gold, outcome["task_id"], answer))

    @property
    def is_done(self) -> bool:
        """Whether the desk has everything. Raises CommandRefusedError."""
        return all(reply.done() and reply.result().accepted for reply in self._planted)

    def close(self) -> None:
        self._pool.shutdown()
        self._client.close()


class PacedDecisions:
    """Sends decisions no faster than people decide them, and follows them in Kafka. Not thread-safe.

    `judged`, `gold`: verdicts so far on decisions and on gold items."""

    def __init__(self, platform: Platform, run_id: str, people: Simulation, lead: Lead, max_in_flight: int) -> None:
        """`run_id`: how the ids of the decisions begin. `max_in_flight`: the limit of undecided decisions, those left
        out that were put aside. With no more than there are people, no backlog forms that people would work by urgency.
        """
        self._broker = platform.kafka()
        self._prefix = run_id.encode()
        self._people = people
        self._lead = lead
        self._max_in_flight = max_in_flight
        self._reader = TableReader(self._broker, (catalogue.AUTO_APPROVED.name, _OUTCOMES, _EXAMPLES))
        self._done: set[str] = set()
        self._last_offsets: dict[str, int] = {}
        self._domains: set[str] = set()
        self._sent: set[str] = set()
        self._examples = self.judged = self.gold = 0

    def send(self, decisions: Sequence[Decision]) -> None:
        """Sends them as fast as people keep up. Returns when enough have taken effect unseen or were judged."""
        with Client(broker=self._broker) as client:
            for first in range(0, len(decisions), _BATCH_SIZE):
                batch = decisions[first : first + _BATCH_SIZE]
                self._wait_for(len(batch))
                client.submit_many(decision.model_copy(update={"created_at": datetime.now(UTC)}) for decision in batch)
                self._sent.update(decision.decision_id for decision in batch)
                self._domains.update(decision.domain for decision in batch)
        self._wait_for(self._max_in_flight)

    def settle(self) -> None:
        """Returns when every task is judged, or is put aside and nobody waits for it any longer."""
        with Board(self._broker) as board:

            def is_settled() -> bool:
                board.refresh()
                return all(
                    task["state"] == "snoozed" and task["breached"]
                    for task in board.open_tasks
                    if task["domain"] in self._domains
                )

            until(lambda: self._poll() and self._lead.is_done and is_settled(), "nobody waits for a verdict")

    def learn(self) -> None:
        """Returns when every verdict so far is an example, and calibration and proposals have processed it."""
        until(lambda: self._poll() and self._learned(), "the verdicts are learned from")

    def close(self) -> None:
        self._reader.close()

    def _wait_for(self, room: int) -> None:
        def has_room() -> bool:
            # Gold items that were put aside are none of those that were sent.
            return self._poll() and len(self._sent - self._done - self._people.aside) + room <= self._max_in_flight

        until(has_room, f"people keep up: {len(self._sent)} decisions sent")

    def _poll(self) -> bool:
        """Reads new records. Raises the error that made people stop."""
        if self._people.failure is not None:
            raise self._people.failure
        for message in self._reader.poll():
            topic = message.topic()
            self._last_offsets[topic] = message.offset()
            if not (message.key() or b"").startswith(self._prefix):
                continue
            if topic == catalogue.AUTO_APPROVED.name:
                routed = wire.decode_plain("RoutedDecision", message.value())
                if not routed["audit"]:
                    self._done.add(routed["decision"]["decision_id"])
            elif topic == _EXAMPLES:
                self._examples += 1
            else:
                outcome = wire.decode_plain("Outcome", message.value())
                if outcome["kind"] == "gold":
                    self.gold += 1
                    continue
                self._done.add(outcome["decision_id"])
                self.judged += 1
                self._lead.hear(outcome)
        return True

    def _learned(self) -> bool:
        return self._examples == self.judged and all(
            self._committed(group, topic) > self._last_offsets[topic] for group, topic in _LEARNING_GROUPS
        )

    def _committed(self, group: str, topic: str) -> int:
        consumer = self._broker.consumer(group)
        try:
            (position,) = consumer.committed([TopicPartition(topic, 0)], 10)
            return int(position.offset)
        finally:
            consumer.close()


def until(condition: Callable[[], bool], description: str) -> None:
    """Returns when the condition holds; raises TimeoutError."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {TIMEOUT_SECONDS:g} s: {description}")
        pause.wait(0.02)
