"""Reading headers of any name."""

from collections.abc import Sequence

from interlock.schemas.dead_letters import Source, dead_letter
from interlock.schemas.error_headers import read_error_headers, without_error_headers
from interlock.schemas.headers import headers_of, read_headers
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Message, TopicSpec


def messages(*headers: list[tuple[str | bytes, bytes]] | None) -> Sequence[Message]:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec("in", 1)])
    producer = broker.producer(None)
    for listed in headers:
        producer.produce("in", b"value", b"key", 0, headers=listed)
    producer.flush()
    consumer = broker.consumer("group")
    consumer.subscribe(["in"])
    return consumer.consume(100, 0)


UNREADABLE: list[tuple[str | bytes, bytes]] = [("good", b"1"), (b"caf\xe9", b"2")]


def test_the_headers_of_a_batch_are_read_around_those_that_cannot_be_read() -> None:
    batch = messages([("a", b"1")], UNREADABLE, None, UNREADABLE, UNREADABLE)
    assert read_headers(batch) == ([[("a", b"1")], None, None, None, None], [1, 3, 4])


def test_a_batch_may_be_empty_and_all_of_it_may_be_unreadable() -> None:
    assert read_headers([]) == ([], [])
    assert read_headers(messages(UNREADABLE, UNREADABLE)) == ([None, None], [0, 1])


def test_headers_that_cannot_be_read_can_be_asked_for_again_and_are_none() -> None:
    (message,) = messages(UNREADABLE)
    assert headers_of(message) == []
    assert headers_of(message) == []


def test_a_dead_letter_can_be_made_of_a_message_whose_headers_cannot_be_read() -> None:
    (message,) = messages(UNREADABLE)
    key, value, made = dead_letter(Source.of(message), "invalid-headers", "why", "router")
    assert (key, value) == (b"key", b"value")
    assert without_error_headers(made) == []
    assert read_error_headers(made)["exception"] == "invalid-headers"
