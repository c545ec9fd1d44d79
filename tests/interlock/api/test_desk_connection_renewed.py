"""A server whose rights at Kafka were taken and given back hears the desk again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from interlock.schemas import catalogue
from interlock.streams.memory import FaultPlan
from interlock.streams.memory.faults import Step
from tests.interlock.api.api_world import World, refusal
from tests.interlock.review.review_world import DeskThread


class _Refused(FaultPlan):
    """Reading is not allowed."""

    def reach(self, step: Step) -> None:
        if step == "consume":
            raise KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not allowed"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """With the real desk, as a process of its own."""
    world = World(tmp_path, desk_seconds=0.2)
    desk = DeskThread(world.broker.process())
    desk.start()
    yield world
    desk.stop()
    world.close()


def test_the_connection_to_the_desk_is_renewed_after_kafka_refused_it(world: World) -> None:
    assert refusal(world.post("/v1/tasks/claim", {}))[0] == 403  # nobody knows ana, says the desk
    first = world.backend.desk
    world.broker.faults.__class__ = _Refused
    first._thread.join(10)
    assert first.broken
    world.broker.faults.__class__ = FaultPlan
    assert refusal(world.post("/v1/tasks/claim", {})) == (403, "unknown-reviewer")
    assert world.backend.desk is not first
    assert len(world.records(catalogue.REPLIES)) == 2
