"""A whole local instance for a proof, simulated people who work its queues, and what has become of decisions so far."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import TopicPartition

from interlock.client.client import Client
from interlock.platform import instance as instances
from interlock.platform.connection import Platform
from interlock.platform.settings import ClickHouseSettings, KafkaSettings, Settings
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue, wire
from interlock.schemas.models import Decision
from interlock.simulation.personas import Persona, TruthSource
from interlock.simulation.simulation import Simulation
from interlock.streams.clock import SystemClock
from interlock.streams.tables import TableReader

# Longer than anything that is waited for, on a busy machine as well.
PATIENCE = 300.0

# Nobody looks at a screen: what a person takes a minute for comes at once.
_SPEEDUP = 1e6

# Decisions that are sent at a time.
_AT_ONCE = 10

_TAKEN, _EXAMPLES = catalogue.OUTCOMES.name, catalogue.TRAINING_EXAMPLES.name

# Groups that learn, and what they read.
_LEARNING = (("interlock-calibration", _TAKEN), ("interlock-proposals", _EXAMPLES))


@dataclass(frozen=True)
class Running:
    """An instance of its own in `directory`; `settings`: environment variables of its roles."""

    directory: Path
    settings: Mapping[str, str]

    @property
    def platform(self) -> Platform:
        """Kafka and ClickHouse of this instance, whatever the settings of the machine's user say."""
        return Platform(Settings(data_dir=self.directory, kafka=KafkaSettings(), clickhouse=ClickHouseSettings()))

    def command(self, *arguments: str) -> str:
        """What `interlock …` prints."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        done = subprocess.run(
            [sys.executable, "-P", "-m", "interlock", *arguments],
            env={**kept, **self.settings, "INTERLOCK_DATA_DIR": str(self.directory)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"interlock {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout


@contextmanager
def running(directory: Path, audit_key: bytes, settings: Mapping[str, str]) -> Iterator[Running]:
    """Starts it as a user would, but that the audit coin falls as `audit_key` says; stops it in the end."""
    directory.mkdir(parents=True)
    instances.write(directory, replace(instances.describe(directory, any_port=True), audit_key=audit_key.hex()))
    instance = Running(directory, settings)
    try:
        instance.command("up", "--detach")
        yield instance
    finally:
        instance.command("down")


@contextmanager
def at_work(platform: Platform, people: Sequence[Persona], truth: TruthSource, seed: int) -> Iterator[Simulation]:
    """People who work all queues meanwhile; raises what made somebody give up."""
    broker = platform.kafka()
    payloads = PayloadReader(broker, platform.clickhouse)
    simulation = Simulation(
        broker, people, truth=truth, clock=SystemClock(), payloads=payloads, seed=seed, speedup=_SPEEDUP
    )
    simulation.register()

    with closing(payloads), ThreadPoolExecutor(1) as pool:
        working = pool.submit(simulation.run)
        try:
            yield simulation
        finally:
            simulation.stopping.set()
        working.result()


class Course:
    """Decisions that are sent to people who keep up, and what Kafka tells of them. Not for several threads."""

    def __init__(self, platform: Platform, people: Simulation, under_way: int) -> None:
        """`under_way`: decisions without their word at most. No more than there are people: then no backlog forms that
        would be worked by urgency."""
        self._broker = platform.kafka()
        self._people = people
        self._most = under_way
        self._reader = TableReader(self._broker, (catalogue.AUTO_APPROVED.name, _TAKEN, _EXAMPLES))
        self._done: set[str] = set()
        self._last: dict[str, int] = {}
        self._sent = self._examples = self.judged = 0

    def send(self, decisions: Sequence[Decision]) -> None:
        """Sends them as fast as people keep up; returns when each has taken effect unseen, or was judged."""
        with Client(broker=self._broker) as client:
            for place in range(0, len(decisions), _AT_ONCE):
                some = decisions[place : place + _AT_ONCE]
                self._wait_for(len(some))
                client.submit_many(one.model_copy(update={"created_at": datetime.now(UTC)}) for one in some)
                self._sent += len(some)
        self._wait_for(self._most)

    def learn(self) -> None:
        """Returns when every verdict so far is an example, and was taken by those who calibrate and propose."""
        until(lambda: self._look() and self._learned(), "the verdicts are learned from")

    def close(self) -> None:
        self._reader.close()

    def _wait_for(self, room: int) -> None:
        def enough() -> bool:
            return self._look() and self._sent - len(self._done) + room <= self._most

        until(enough, f"people keep up: {self._sent} decisions sent")

    def _look(self) -> bool:
        """Takes in what has come; raises what made people give up."""
        if self._people.failure is not None:
            raise self._people.failure
        for message in self._reader.poll():
            topic = message.topic()
            if topic == catalogue.AUTO_APPROVED.name:
                routed = wire.decode_plain("RoutedDecision", message.value())
                if not routed["audit"]:
                    self._done.add(routed["decision"]["decision_id"])
                continue
            self._last[topic] = message.offset()
            if topic == _EXAMPLES:
                self._examples += 1
            else:
                self._done.add(wire.decode_plain("Outcome", message.value())["decision_id"])
                self.judged += 1
        return True

    def _learned(self) -> bool:
        return self._examples == self.judged and all(
            self._committed(group, topic) > self._last[topic] for group, topic in _LEARNING
        )

    def _committed(self, group: str, topic: str) -> int:
        consumer = self._broker.consumer(group)
        try:
            (place,) = consumer.committed([TopicPartition(topic, 0)], 10)
            return int(place.offset)
        finally:
            consumer.close()


def until(condition: Callable[[], bool], what: str) -> None:
    """Returns when it holds; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE:g} s: {what}")
        pause.wait(0.02)
