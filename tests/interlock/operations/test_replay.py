"""Dead letters are sent again exactly once, whatever happens to the command that does it."""

import itertools

import pytest

from interlock.errors import InterlockError
from interlock.operations.dead_letters import read_letter, read_letters, replay
from interlock.schemas import catalogue
from interlock.schemas.dead_letters import MAX_COPIED_BYTES, Source, dead_letter
from interlock.schemas.error_headers import with_error_headers
from interlock.streams.memory import Crash, FaultPlan, MemoryBroker
from interlock.streams.ports import Headers, TopicSpec

TOPIC = catalogue.DEAD_LETTER.name
INPUT = catalogue.DECISIONS.name


def cluster(*reasons: str) -> MemoryBroker:
    """A cluster with one dead letter for each reason, in order, alternating between two partitions."""
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(TOPIC, 2), TopicSpec(INPUT, 2)])
    put(broker, *reasons)
    return broker


def put(broker: MemoryBroker, *reasons: str) -> None:
    # In a transaction, as the router does: the last offset of each partition is then a marker that nobody reads.
    producer = broker.producer("router")
    producer.init_transactions()
    producer.begin_transaction()
    for number, reason in enumerate(reasons):
        headers: Headers = [
            *with_error_headers(
                [("trace", b"t")], reason=reason, message="bad", topic=INPUT, partition=0, offset=number
            )
        ]
        producer.produce(TOPIC, f"{reason} {number}".encode(), b"key", number % 2, headers=headers)
    producer.commit_transaction()


def sent(broker: MemoryBroker) -> list[str]:
    """Values of what was sent again, sorted."""
    consumer = broker.consumer("reader-of-the-test")
    consumer.subscribe([INPUT])
    found = []
    while messages := consumer.consume(100, 0):
        for message in messages:
            assert message.headers() == [("trace", b"t")]
            found.append((message.value() or b"").decode())
    return sorted(found)


def test_every_letter_is_read_with_its_reason() -> None:
    broker = cluster("a", "b", "a")
    assert sorted(letter.what["exception"] for letter in read_letters(broker)) == ["a", "a", "b"]
    assert len(list(read_letters(broker, "a"))) == 2


@pytest.mark.parametrize("place", [(0, 7), (1, 99), (9, 0)])
def test_where_no_letter_is_none_is_found(place: tuple[int, int]) -> None:
    assert read_letter(cluster("a", "b"), *place) is None


def test_a_letter_named_by_hand_is_sent_whenever_asked_and_nothing_if_one_is_missing() -> None:
    broker = cluster("a", "b")
    assert replay(broker, [(0, 0)], None) == 1
    assert replay(broker, [(0, 0)], None) == 1
    with pytest.raises(InterlockError, match="no dead letter 1:5; nothing was sent"):
        replay(broker, [(0, 0), (1, 5)], None)
    assert sent(broker) == ["a 0", "a 0"]


def test_a_letter_without_a_copy_of_its_message_is_never_sent() -> None:
    broker = cluster("a")
    producer = broker.producer(None)
    source = Source(INPUT, 0, 5, b"key", bytes(MAX_COPIED_BYTES + 1), [])
    key, value, headers = dead_letter(source, "not-wire-format", "bad", "router")
    producer.produce(TOPIC, value, key, 1, headers=headers)
    producer.flush()
    with pytest.raises(InterlockError, match=r"read it from decisions\[0\] at offset 5\); nothing was sent"):
        replay(broker, [(0, 0), (1, 0)], None)
    assert replay(broker, None, None) == 1
    assert sent(broker) == ["a 0"]


def test_all_sends_what_came_since_the_last_time() -> None:
    broker = cluster("a", "b")
    assert replay(broker, None, None) == 2
    assert replay(broker, None, None) == 0
    put(broker, "c")
    assert replay(broker, None, None) == 1
    assert sent(broker) == ["a 0", "b 1", "c 0"]


def test_what_was_sent_for_its_reason_is_not_sent_again_with_all_the_others_nor_the_other_way_round() -> None:
    broker = cluster("a", "b", "a")
    assert replay(broker, None, "a") == 2
    assert replay(broker, None, "a") == 0
    assert replay(broker, None, None) == 1
    assert replay(broker, None, "b") == 0
    assert sent(broker) == ["a 0", "a 2", "b 1"]


def test_killed_at_any_step_and_run_again_every_letter_is_sent_once() -> None:
    for step in itertools.count():
        broker = cluster("a", "b", "a")
        plan = FaultPlan({step: Crash()})
        try:
            replay(broker.process(plan), None, None)
        except Crash:
            replay(broker.process(), None, None)
            assert sent(broker) == ["a 0", "a 2", "b 1"], plan.steps
        else:
            assert len(plan.steps) >= 10
            return
