"""A member of a group whose records Kafka may keep back for long, where there are none."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from interlock.streams.kafka import KafkaBroker
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Message, TopicSpec
from interlock.streams.runner import Runner, RunnerSettings
from tests.streams.conformance import DEADLINE_SECONDS
from tests.streams.world import Columns

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

# Longer than the runner waits for an answer.
WAIT_SECONDS = 20.0


class _Seen:
    """A processor that tells of the records that it gets."""

    def __init__(self) -> None:
        self.any = threading.Event()

    def process(self, messages: Sequence[Message], now: int) -> Columns:  # noqa: ARG002
        if messages:
            self.any.set()
        return Columns([], [], [], None, 0)


@contextmanager
def _member(broker: KafkaBroker, group: str, topic: str) -> Iterator[_Seen]:
    """One that is assigned the topic."""
    seen, stop, metrics = _Seen(), threading.Event(), Metrics("copy")
    overrides = {"fetch.wait.max.ms": int(WAIT_SECONDS * 1000)}
    settings = RunnerSettings(group, str(uuid4()), (topic,), consumer_overrides=overrides)
    runner = Runner(broker, seen, settings, metrics=metrics, stop=stop)
    thread = threading.Thread(target=runner.run)
    thread.start()
    deadline = time.monotonic() + DEADLINE_SECONDS
    try:
        while not metrics.value("assigned_partitions"):
            assert time.monotonic() < deadline
            stop.wait(0.01)
        yield seen
    finally:
        stop.set()
        thread.join(DEADLINE_SECONDS)


def test_the_first_record_after_a_restart_does_not_wait_for_what_is_asked_beside_it(kafka: "EmbeddedKafka") -> None:
    """Whether records are missing is asked once, when the first one has come; a reader's own question would be answered
    only after the fetch for the next record."""
    broker, group, topic = KafkaBroker(kafka.bootstrap_servers), f"copy-{uuid4()}", f"in-{uuid4()}"
    broker.create_topics([TopicSpec(topic, 1)])
    producer = broker.producer(None)
    for _ in range(2):  # the second member finds an offset that was committed
        with _member(broker, group, topic) as seen:
            producer.produce(topic, b"x", b"x")
            producer.flush(DEADLINE_SECONDS)
            put = time.monotonic()
            assert seen.any.wait(DEADLINE_SECONDS)
            assert time.monotonic() - put < WAIT_SECONDS / 4
