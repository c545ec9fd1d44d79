"""One writer at a time, in memory and on Kafka."""

from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from interlock.schemas.catalogue import Topic
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from interlock.streams.ranges import read_topic
from interlock.streams.turns import TurnLostError, turn

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

TOPIC = Topic(f"turns-{uuid4().hex}", None, "name", 1, "delete", None, "Of these tests.")


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    made: Broker
    if request.param == "memory":
        made = MemoryBroker()
    else:
        kafka: EmbeddedKafka = request.getfixturevalue("kafka")
        made = KafkaBroker(kafka.bootstrap_servers)
    made.create_topics([TopicSpec(TOPIC.name, 1)])
    return made


@pytest.fixture
def subject() -> str:
    return f"subject-{uuid4().hex}"


def values(broker: Broker, key: str) -> list[bytes | None]:
    found = [message for messages in read_topic(broker, TOPIC.name) for message in messages]
    return [message.value() for message in found if message.key() == key.encode()]


def test_the_records_of_a_turn_are_written_together_when_it_ends(broker: Broker, subject: str) -> None:
    with turn(broker, subject) as mine:
        mine.write(TOPIC, subject, b"1")
        assert values(broker, subject) == []
        mine.write(TOPIC, subject, None)
    assert values(broker, subject) == [b"1", None]


def test_an_error_inside_writes_nothing_and_the_next_turn_is_not_held_up(broker: Broker, subject: str) -> None:
    with suppress(LookupError), turn(broker, subject) as mine:
        mine.write(TOPIC, subject, b"1")
        raise LookupError
    with turn(broker, subject) as mine:
        mine.write(TOPIC, subject, b"2")
    assert values(broker, subject) == [b"2"]


def test_of_two_turns_at_the_same_time_the_earlier_writes_nothing(broker: Broker, subject: str) -> None:
    def late() -> None:
        with turn(broker, subject) as mine:
            mine.write(TOPIC, subject, b"1")
            with turn(broker, subject) as theirs:
                theirs.write(TOPIC, subject, b"2")

    with pytest.raises(TurnLostError, match=f"the {subject} at the same moment"):
        late()
    assert values(broker, subject) == [b"2"]


def test_turns_on_different_subjects_do_not_meet(broker: Broker, subject: str) -> None:
    with turn(broker, subject) as mine:
        mine.write(TOPIC, subject, b"1")
        with turn(broker, f"{subject}-other") as theirs:
            theirs.write(TOPIC, subject, b"2")
    assert sorted(value or b"" for value in values(broker, subject)) == [b"1", b"2"]
