"""The broker killed under load again and again, with two routers in one group: after every start each decision is
routed within a minute, whatever the crash left in the group coordinator.

A consumer group lives in the broker's memory and in `__consumer_offsets`; a crash may leave the two different, and then
partitions stand still that belong to a member which does not exist. Only in the campaign, twenty times under each group
protocol; `--crash-kills N` kills more. The schedule follows from a seed.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pytest
from confluent_kafka import KafkaError, KafkaException

from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import GroupProtocol, KafkaBroker
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import Partition, TopicSpec
from interlock.streams.ranges import read_topic
from interlock.streams.runner import Runner, RunnerSettings
from tests.crash.test_kill_everything import wait_until

pytestmark = [pytest.mark.crash, pytest.mark.kafka]

log = logging.getLogger(__name__)

SEED = 20260303
KILLS = 20

# A batch every 10 ms, each with a transaction: most kills fall into one.
DECISIONS_PER_SECOND = 400

# How long the broker is away. After half a minute transactions and sessions have run out, and clients have reconnected
# in vain for so long that they wait between their attempts.
AWAY_SECONDS = (0.0, 5.0, 25.0)

# From the start of the broker to the last decision that was sent before it.
ROUTED_WITHIN_SECONDS = 60.0

INPUT, OUTPUT = catalogue.DECISIONS, catalogue.REVIEWS_MANUAL
GROUP = catalogue.ROUTER_GROUP


@contextmanager
def running_router(broker: KafkaBroker, instance: str) -> Iterator[None]:
    """A router in a thread. It knows no policy, so that every decision goes to `reviews.manual`."""
    stop = threading.Event()
    router = Router(RouterState(), RouterSettings(bytes(16)))
    runner = Runner(broker, router, RunnerSettings(GROUP, instance, (INPUT.name,)), stop=stop)
    thread = threading.Thread(target=runner.run, name=instance)
    thread.start()
    try:
        yield
        assert thread.is_alive(), f"{instance} has ended"
    finally:
        stop.set()
        thread.join()


@contextmanager
def load(broker: KafkaBroker, acknowledged: list[str]) -> Iterator[None]:
    """Decisions at a steady rate, in a thread."""
    stop = threading.Event()
    producer = broker.producer(None, {"delivery.report.only.error": False})

    def delivered(error: KafkaError | None, message: Any) -> None:
        if error is None:
            acknowledged.append(str(message.key(), "utf-8"))

    def send() -> None:
        for number in count():
            if stop.wait(1 / DECISIONS_PER_SECOND):
                return
            decision_id = f"d-{number}"
            value = wire.encode("Decision", _decision(decision_id))
            producer.produce(INPUT.name, value, decision_id.encode(), on_delivery=delivered)
            producer.poll(0)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        assert producer.flush(60) == 0


def _decision(decision_id: str) -> dict[str, object]:
    return {
        "decision_id": decision_id,
        "domain": "loans",
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": 0.99,
        "created_at": time.time_ns() // 1000,
    }


class Committed:
    """The group's committed offsets, which must never go back."""

    def __init__(self, broker: KafkaBroker) -> None:
        self._broker = broker
        self._highest: dict[Partition, int] = {}

    def behind(self, ends: dict[int, int]) -> dict[int, int]:
        """By partition how much is left to be routed before `ends`. Raises KafkaException."""
        left = {}
        for partition, offset in committed_offsets(self._broker, GROUP, {INPUT.name: INPUT.partitions}).items():
            before = self._highest.get(partition, 0)
            assert offset >= before, f"the committed offset of {partition} went back from {before} to {offset}"
            self._highest[partition] = offset
            if offset < ends[partition[1]]:
                left[partition[1]] = ends[partition[1]] - offset
        return left

    def seconds_until_routed(self) -> float:
        """Until everything is routed that Kafka has now."""
        started = time.monotonic()
        ends: dict[int, int] = {}
        left: object = "the ends are not known"
        while time.monotonic() - started < ROUTED_WITHIN_SECONDS:
            try:
                ends = ends or self._broker.end_offsets(INPUT.name)
                left = self.behind(ends)
            except KafkaException as error:
                left = error
            if not left:
                return time.monotonic() - started
            time.sleep(0.2)
        raise AssertionError(f"not routed within {ROUTED_WITHIN_SECONDS:g} s: {left}")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("protocol", get_args(GroupProtocol))
def test_after_every_kill_of_the_broker_all_decisions_are_routed_within_a_minute(
    protocol: GroupProtocol, tmp_path: Path, crash_kills: int, campaign: bool
) -> None:
    if not campaign:
        pytest.skip("takes a minute even for two kills; the quick form is the kill of Kafka in test_kill_everything.py")
    kills = max(KILLS, crash_kills)
    rng = random.Random(SEED)
    acknowledged: list[str] = []
    with EmbeddedKafka(tmp_path / "kafka") as kafka, ExitStack() as stack:
        broker = KafkaBroker(kafka.bootstrap_servers, group_protocol=protocol)
        broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in (INPUT, OUTPUT)])
        committed = Committed(broker)
        stack.enter_context(running_router(broker, "1"))
        stack.enter_context(running_router(broker, "2"))
        with load(broker, acknowledged):
            committed.seconds_until_routed()
            for round_number in range(kills):
                time.sleep(rng.uniform(0.5, 2.5))
                kafka.kill()
                away = rng.choice(AWAY_SECONDS)
                time.sleep(away)
                kafka.start()
                arrived = len(acknowledged) + DECISIONS_PER_SECOND
                wait_until(lambda: len(acknowledged) >= arrived, "decisions arrive again", 60)  # noqa: B023
                took = committed.seconds_until_routed()
                log.warning("%s round %d: away %g s, routed after %.1f s", protocol, round_number + 1, away, took)
        committed.seconds_until_routed()
        routed = [(message.key() or b"").decode() for part in read_topic(broker, OUTPUT.name) for message in part]
    assert len(acknowledged) > kills * DECISIONS_PER_SECOND / 4
    assert sorted(routed) == sorted(acknowledged)
