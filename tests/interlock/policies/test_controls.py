"""What is halted, read from its topic as the router reads it."""

from contextlib import closing

import pytest

from interlock.policies.controls import Halts, read_halts
from interlock.policies.publishing import publish_control
from interlock.schemas import catalogue, wire
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec


@pytest.fixture
def broker() -> MemoryBroker:
    memory = MemoryBroker()
    memory.create_topics([TopicSpec(catalogue.CONTROLS.name, 1, {})])
    return memory


def test_a_halt_is_named_with_author_reason_and_the_line_that_lifts_it_until_it_is_lifted(broker: MemoryBroker) -> None:
    publish_control(broker, "model:scorer@7", True, "drift alarm", "ann")
    publish_control(broker, "all", True, "drill", "bob")
    assert [halt.scope for halt in read_halts(broker)] == ["all", "model:scorer@7"]
    text = str(read_halts(broker)[1])
    assert "by ann: model:scorer@7 (drift alarm)" in text
    assert 'interlock resume model:scorer@7 --reason "…"' in text
    publish_control(broker, "all", False, "drill is over", "bob")
    assert [halt.scope for halt in read_halts(broker)] == ["model:scorer@7"]


OF_ANOTHER_SCOPE = wire.encode(
    "Control", {"scope": "domain:y", "halted": False, "reason": "", "set_by": "ann", "set_at": 0}
)


@pytest.mark.parametrize("value", [b"rubbish", OF_ANOTHER_SCOPE])
def test_an_unusable_control_halts_everything_as_it_does_in_the_router(broker: MemoryBroker, value: bytes) -> None:
    producer = broker.producer(None)
    producer.produce(catalogue.CONTROLS.name, value, b"domain:x")
    producer.flush(5)
    assert [halt.scope for halt in read_halts(broker)] == ["all"]
    publish_control(broker, "domain:x", False, "repaired", "ann")
    assert read_halts(broker) == []


def test_followers_see_what_is_halted_later(broker: MemoryBroker) -> None:
    with closing(Halts(broker)) as halts:
        assert halts.current() == []
        publish_control(broker, "all", True, "drill", "bob")
        assert [halt.reason for halt in halts.current()] == ["drill"]
