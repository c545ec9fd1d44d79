"""Records of every size on the whole pipeline: what is too large becomes a dead letter, and nothing stops."""

from collections.abc import Sequence
from typing import Any

import pytest

from interlock.schemas import catalogue, wire
from interlock.schemas.dead_letters import MAX_COPIED_BYTES
from interlock.schemas.error_headers import read_error_headers, without_error_headers
from interlock.streams.ports import Message
from interlock.streams.sending import Outgoing, send_and_wait
from interlock.testing import Topology

POLICY = """
name: lending
audit: {rate: 1}
domains:
  loans: {models: [m], outcomes: [approve, reject], lanes: {approve: {}}, queue: underwriting}
"""

KiB, MiB = 1024, 1024 * 1024


@pytest.fixture
def pipeline() -> Topology:
    return Topology(POLICY)


def send(
    pipeline: Topology, value: bytes, key: bytes = b"large", topic: str = "decisions", headers: Any = None
) -> None:
    """As a producer that compresses and has raised its own limit."""
    producer = pipeline.broker.producer(None, {"compression.type": "zstd", "message.max.bytes": 200 * MiB})
    send_and_wait(producer, [Outgoing(topic, key, value, headers)], 1)


def decision(pipeline: Topology, decision_id: str = "large", size: int = 0, **fields: Any) -> bytes:
    """A decision of exactly `size` bytes, if it is given."""
    record = pipeline.decision(decision_id, 0.99, **fields).to_record()
    value = wire.encode("Decision", record)
    if size:
        # The length of `input` is a number of four bytes from 1 MiB on, and of one byte where it is empty.
        assert record["input"] == ""
        value = wire.encode("Decision", record | {"input": "x" * (size - len(value) - 3)})
        assert len(value) == size
    return value


def letters(pipeline: Topology) -> Sequence[Message]:
    return pipeline.messages("dead-letter")


def routed(pipeline: Topology) -> list[tuple[str, bytes | None]]:
    topics = [topic.name for topic in catalogue.ROUTE_TOPICS]
    return [(topic, message.key()) for topic in topics for message in pipeline.messages(topic)]


def test_the_largest_decision_that_kafka_takes_uncompressed_is_routed_and_reviewed(pipeline: Topology) -> None:
    value = decision(pipeline, size=catalogue.MAX_MESSAGE_BYTES - 100)
    producer = pipeline.broker.producer(None)
    producer.produce("decisions", value, b"large")
    producer.flush()
    pipeline.run()
    assert routed(pipeline) == [("decisions.auto-approved", b"large"), ("reviews.async", b"large")]
    assert list(pipeline.tasks()) == ["large"]


@pytest.mark.parametrize("size", [9 * MiB, 60 * MiB])
def test_what_is_larger_than_a_routed_decision_may_be_is_one_dead_letter_by_reference(
    pipeline: Topology, size: int
) -> None:
    pipeline.submit(pipeline.decision("before"))
    send(pipeline, decision(pipeline, size=size), headers=[("traceparent", b"t")])
    pipeline.submit(pipeline.decision("after"))
    pipeline.run()
    (letter,) = letters(pipeline)
    assert (letter.key(), letter.value()) == (b"large", None)
    what = read_error_headers(letter.headers())
    assert (what["exception"], what["topic"]) == ("oversized", "decisions")
    (source,) = [message for message in pipeline.messages("decisions") if message.key() == b"large"]
    assert (what["partition"], what["offset"]) == (str(source.partition()), str(source.offset()))
    assert f"read it from decisions[{source.partition()}] at offset {source.offset()}" in what["message"]
    assert without_error_headers(letter.headers()) == [("traceparent", b"t")]
    assert {key for _, key in routed(pipeline)} == {b"before", b"after"}


def test_headers_count_too_and_large_ones_are_cut_from_the_dead_letter(pipeline: Topology) -> None:
    headers = [("small", b"1"), ("large", b"x" * 9 * MiB), ("last", b"2")]
    send(pipeline, decision(pipeline), headers=headers)
    pipeline.run()
    (letter,) = letters(pipeline)
    assert letter.value() is None
    assert without_error_headers(letter.headers()) == [("small", b"1"), ("last", b"2")]


@pytest.mark.parametrize("size", [MAX_COPIED_BYTES - 5, MAX_COPIED_BYTES + 1])
def test_an_unreadable_message_is_kept_as_long_as_it_fits(pipeline: Topology, size: int) -> None:
    value = bytes(size)
    send(pipeline, value, b"bad")
    pipeline.run()
    (letter,) = letters(pipeline)
    fits = size < MAX_COPIED_BYTES
    assert (letter.key(), letter.value()) == (b"bad", value if fits else None)
    what = read_error_headers(letter.headers())
    assert what["exception"] == ("unknown-schema" if fits else "oversized")
    assert fits or "besides, unknown-schema" in what["message"]


def test_a_key_that_is_large_itself_is_left_out(pipeline: Topology) -> None:
    send(pipeline, b"", b"k" * 9 * MiB)
    pipeline.run()
    (letter,) = letters(pipeline)
    assert (letter.key(), letter.value()) == (None, None)


@pytest.mark.parametrize("topic", ["reviews.sync", "reviews.commands"])
def test_what_the_desk_cannot_read_may_be_large_too(pipeline: Topology, topic: str) -> None:
    send(pipeline, bytes(9 * MiB), b"bad", topic)
    pipeline.submit(pipeline.decision("after"))
    pipeline.run()
    (letter,) = letters(pipeline)
    assert read_error_headers(letter.headers())["topic"] == topic
    assert list(pipeline.tasks()) == ["after"]


def test_an_executor_gives_up_on_a_large_record_with_a_reference(pipeline: Topology) -> None:
    handled: list[str] = []
    pipeline.start_executor(lambda execution: handled.append(execution.decision_id))
    send(pipeline, bytes(9 * MiB), b"bad", "actions")
    pipeline.run()
    (letter,) = letters(pipeline)
    assert letter.value() is None
    assert read_error_headers(letter.headers())["topic"] == "actions"
