"""The client library, on the broker in memory and on Apache Kafka."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

import interlock
from interlock import AsyncClient, Client, Decision, DeliveryError
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, Message, TopicSpec
from interlock.streams.ranges import read_topic

TOPIC = catalogue.DECISIONS


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    broker: Broker
    if request.param == "memory":
        broker = MemoryBroker(SystemClock())
    else:
        broker = KafkaBroker(request.getfixturevalue("kafka").bootstrap_servers)
    broker.create_topics([TopicSpec(TOPIC.name, TOPIC.partitions)])
    return broker


def decision(**fields: Any) -> Decision:
    return Decision(
        **{
            "decision_id": str(uuid4()),
            "domain": "d",
            "model_id": "m",
            "model_version": "1",
            "prediction": "approve",
            "confidence": 0.9,
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            **fields,
        }
    )


def stored(broker: Broker, decisions: list[Decision]) -> list[Message]:
    """The records of these decisions, in their order; others of the topic are left out."""
    stored_messages = {message.key(): message for batch in read_topic(broker, TOPIC.name) for message in batch}
    return [
        stored_messages[submitted.decision_id.encode()]
        for submitted in decisions
        if submitted.decision_id.encode() in stored_messages
    ]


def test_what_is_submitted_is_stored_under_its_id_with_its_headers_when_submit_returns(broker: Broker) -> None:
    submitted = decision(amount=12.5, attributes={"age": 41}, input={"text": "zażółć"})
    with Client(broker=broker) as client:
        client.submit(submitted, headers=[("traceparent", b"00-1")])
        (message,) = stored(broker, [submitted])
    assert message.value() == wire.encode("Decision", submitted.to_record())
    assert Decision.from_record(wire.decode("Decision", message.value() or b"")) == submitted
    assert message.headers() == [("traceparent", b"00-1")]


def test_many_are_counted_and_all_stored(broker: Broker) -> None:
    many = [decision() for _ in range(300)]
    with Client(broker=broker) as client:
        assert client.submit_many(iter(many)) == 300
        assert len(stored(broker, many)) == 300


def test_what_came_before_an_error_of_the_caller_is_stored(broker: Broker) -> None:
    many = [decision() for _ in range(3)]

    def broken() -> Iterator[Decision]:
        yield from many
        raise ZeroDivisionError

    with Client(broker=broker) as client:
        with pytest.raises(ZeroDivisionError):
            client.submit_many(broken())
        assert len(stored(broker, many)) == 3


def test_threads_share_a_client(broker: Broker) -> None:
    many = [decision() for _ in range(80)]
    with Client(broker=broker) as client:
        threads = [threading.Thread(target=client.submit_many, args=(many[i::4],)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(stored(broker, many)) == 80


def test_the_asyncio_client_stores_many_at_once_and_leaves_the_loop_free(broker: Broker) -> None:
    many = [decision() for _ in range(20)]

    async def submit() -> int:
        turns = 0
        async with AsyncClient(broker=broker) as client:
            waiting = asyncio.gather(*(client.submit(submitted) for submitted in many))
            while not waiting.done():
                turns += 1
                await asyncio.sleep(0)
            await waiting
        return turns

    assert asyncio.run(submit()) > 1
    assert len(stored(broker, many)) == 20


@pytest.mark.kafka
def test_a_decision_that_is_too_large_is_named_and_the_others_are_stored(kafka: Any) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    broker.create_topics([TopicSpec(TOPIC.name, TOPIC.partitions)])
    many = [decision(), decision(input={"text": "x" * 30_000_000}), decision()]
    with Client(broker=broker) as client:
        with pytest.raises(DeliveryError, match="too large") as raised:
            client.submit_many(many)
        assert raised.value.decision_ids == [many[1].decision_id]
        assert len(stored(broker, many)) == 2


def test_without_kafka_the_error_names_the_decision_and_what_to_do() -> None:
    submitted = decision()
    with Client("127.0.0.1:1", delivery_seconds=1.5) as client, pytest.raises(DeliveryError) as raised:
        client.submit(submitted)
    assert raised.value.decision_ids == [submitted.decision_id]
    assert submitted.decision_id in str(raised.value)
    assert "Submit again" in str(raised.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("confidence", 1.5),
        ("confidence", float("nan")),
        ("decision_id", ""),
        ("decision_id", "x" * 201),
        ("domain", "d" * 9000),
        ("created_at", datetime(2026, 1, 1)),  # noqa: DTZ001 - the point of the test
        ("input", "[1]"),
        ("attributes", {"a": float("inf")}),
        ("unknown", 1),
    ],
)
def test_a_wrong_decision_is_refused_with_the_name_of_the_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        decision(**{field: value})
    assert raised.value.errors()[0]["loc"][0] == field


EXPORTED = [
    "AsyncClient",
    "Client",
    "Decision",
    "DecisionResult",
    "DeliveryError",
    "InterlockError",
    "NotDecidedError",
    "__version__",
]


def test_the_public_names_are_these() -> None:
    assert sorted(interlock.__all__) == EXPORTED
    assert all(getattr(interlock, name).__doc__ for name in interlock.__all__)
