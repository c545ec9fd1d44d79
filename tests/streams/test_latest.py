"""The latest records of a topic, page by page."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from interlock.streams import latest as module
from interlock.streams.kafka import KafkaBroker
from interlock.streams.latest import latest
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, Message, TopicSpec

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

START = 1_767_225_600_000


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setattr(module, "WINDOW", 3)
    if request.param == "memory":
        yield MemoryBroker()
    else:
        kafka: EmbeddedKafka = request.getfixturevalue("kafka")
        yield KafkaBroker(kafka.bootstrap_servers)


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"latest-{uuid4().hex}"
    broker.create_topics([TopicSpec(name, 2)])
    # A new topic may still be without leaders for a moment; what was written to it has some.
    producer = broker.producer(None)
    for partition in range(2):
        producer.produce(name, b"", None, partition, timestamp=0)
    assert producer.flush(30) == 0
    return name


def write(broker: Broker, topic: str, *numbers: int) -> None:
    """Even numbers to partition 0, odd ones to 1, each at its own moment."""
    producer = broker.producer(None)
    for number in numbers:
        producer.produce(topic, str(number).encode(), None, number % 2, timestamp=START + number)
    producer.flush(10)


def number_of(message: Message) -> int | None:
    """None for what the topic began with."""
    value = message.value()
    return int(value) if value else None


def pages(broker: Broker, topic: str, limit: int) -> list[list[int]]:
    found: list[list[int]] = []
    place: dict[int, int] | None = None
    while True:
        rows, place = latest(broker, topic, number_of, limit, place)
        found.append(rows)
        if place is None:
            return found


def test_records_come_newest_first_whichever_partition_they_are_in(broker: Broker, topic: str) -> None:
    write(broker, topic, *range(20))
    assert pages(broker, topic, 8) == [[*range(19, 11, -1)], [*range(11, 3, -1)], [3, 2, 1, 0]]


def test_a_topic_without_records_has_one_empty_page(broker: Broker, topic: str) -> None:
    assert pages(broker, topic, 5) == [[]]


def test_partitions_of_very_different_length_keep_their_order(broker: Broker, topic: str) -> None:
    write(broker, topic, *range(0, 30, 2), 31)
    assert [*chain(*pages(broker, topic, 4))] == [31, *range(28, -1, -2)]


def test_what_comes_meanwhile_shifts_no_page(broker: Broker, topic: str) -> None:
    write(broker, topic, *range(6))
    first, place = latest(broker, topic, number_of, 2)
    write(broker, topic, 6, 7)
    second, _ = latest(broker, topic, number_of, 2, place)
    assert (first, second) == ([5, 4], [3, 2])


def test_records_that_are_not_wanted_are_passed_over_until_enough_were_looked_at(
    broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(broker, topic, *range(20))

    def only_first(message: Message) -> int | None:
        return 0 if number_of(message) == 0 else None

    assert latest(broker, topic, only_first, 1)[0] == [0]
    monkeypatch.setattr(module, "MAX_LOOKED_AT", 10)
    rows, place = latest(broker, topic, only_first, 1)
    assert rows == []
    assert place is not None
    assert latest(broker, topic, only_first, 1, place)[0] == [0]


def test_aborted_records_and_markers_are_passed_over(broker: Broker, topic: str) -> None:
    write(broker, topic, 0)
    producer = broker.producer(f"latest-{uuid4().hex}")
    producer.init_transactions(30)
    for number in (2, 4, 6, 8):
        producer.begin_transaction()
        producer.produce(topic, str(number).encode(), None, 0, timestamp=START + number)
        if number == 6:
            producer.commit_transaction(30)
        else:
            producer.flush(30)
            producer.abort_transaction(30)
    assert [*chain(*pages(broker, topic, 1))] == [6, 0]
