"""Two processes on a real Kafka: one is killed or stopped dead, the other takes over and counts on."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec
from tests.streams.conformance import DEADLINE_SECONDS

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

KEYS = 3
# Far more than it takes; what it takes is the session, one heartbeat and a fraction of a second (measured 6 to 7 s).
TAKEOVER_SECONDS = 15.0


class Scene:
    """Two counting processes, messages that go on coming, and what readers see."""

    def __init__(self, kafka: "EmbeddedKafka") -> None:
        self.servers = kafka.bootstrap_servers
        self.broker = KafkaBroker(self.servers)
        self.group, self.counts = f"desk-{uuid4()}", f"counts-{uuid4()}"
        self.inputs = [f"commands-{uuid4()}", f"events-{uuid4()}"]
        self.broker.create_topics([TopicSpec(name, 1) for name in (*self.inputs, self.counts)])
        self.put_in = 0
        self.seen: dict[bytes, list[int]] = {}
        self.by = ""  # who wrote the latest count that was seen
        self._producer = self.broker.producer(None, {"enable.idempotence": False})
        self._reader = self.broker.consumer(None)
        self._reader.assign([TopicPartition(self.counts, 0, OFFSET_BEGINNING)])

    @contextmanager
    def worker(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        arguments = [self.servers, self.group, name, self.counts, *self.inputs]
        process = subprocess.Popen([sys.executable, "-m", "tests.streams.exclusive_worker", *arguments])
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def go_on_until_counted_by(self, names: set[str], *, other_than: str = "") -> float:
        """Puts messages in and reads counts until one comes from the wanted process; returns the seconds it took."""
        started = time.monotonic()
        while not (self.by in names and self.by != other_than):
            assert time.monotonic() - started < DEADLINE_SECONDS, f"nobody but {self.by!r} counted"
            for topic in self.inputs:
                self._producer.produce(topic, b"", b"%d" % (self.put_in % KEYS), 0)
                self.put_in += 1
            assert self._producer.flush(DEADLINE_SECONDS) == 0
            self._look()
        return time.monotonic() - started

    def everything_is_counted(self) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while sum(map(len, self.seen.values())) < self.put_in:
            assert time.monotonic() < deadline, f"{self.put_in} were put in, {self.seen} came out"
            self._look()
        self._look()
        for counts in self.seen.values():
            assert counts == list(range(1, len(counts) + 1))
        assert sum(map(len, self.seen.values())) == self.put_in

    def close(self) -> None:
        self._reader.close()

    def _look(self) -> None:
        for message in self._reader.consume(10_000, 0.02):
            self.seen.setdefault(message.key() or b"", []).append(int(message.value() or 0))
            self.by = dict(message.headers())["by"].decode()


@pytest.mark.kafka
def test_the_standstill_and_the_death_of_the_active_process_are_survived_within_seconds(kafka: "EmbeddedKafka") -> None:
    with ExitStack() as stack:
        scene = stack.enter_context(closing(Scene(kafka)))
        workers = {name: stack.enter_context(scene.worker(name)) for name in ("a", "b")}
        scene.go_on_until_counted_by({"a", "b"})

        # It stands still: to the others it is dead, and it does not know.
        stopped = scene.by
        workers[stopped].send_signal(signal.SIGSTOP)
        took = scene.go_on_until_counted_by({"a", "b"}, other_than=stopped)
        assert took < TAKEOVER_SECONDS
        workers[stopped].send_signal(signal.SIGCONT)
        scene.everything_is_counted()

        # It dies, and the one that had stood still takes over, or a third one that comes only now.
        workers["c"] = stack.enter_context(scene.worker("c"))
        killed = scene.by
        workers[killed].kill()
        took = scene.go_on_until_counted_by({"a", "b", "c"}, other_than=killed)
        assert took < TAKEOVER_SECONDS
        scene.everything_is_counted()
