"""Fetching what a task is about, and proving that it is that."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import TopicPartition

from interlock.errors import InterlockError
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue, wire
from interlock.schemas.payload import payload_hash
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import Broker, TopicSpec
from tests.interlock.review.review_world import decision, routed, task_record
from tests.sinks import sink_world

TOPIC = catalogue.REVIEWS_ASYNC.name


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Broker:
    if request.param == "memory":
        return MemoryBroker()
    return KafkaBroker(request.getfixturevalue("kafka").bootstrap_servers)


@pytest.fixture
def topic(broker: Broker) -> str:
    name = f"reviews-{uuid4().hex}"
    broker.create_topics([TopicSpec(name, 1)])
    return name


def store(broker: Broker, topic: str, *envelopes: dict[str, Any]) -> list[dict[str, Any]]:
    """Their tasks."""
    producer = broker.producer(None)
    for envelope in envelopes:
        producer.produce(topic, wire.encode("RoutedDecision", envelope), envelope["decision"]["decision_id"])
    producer.flush()
    return [task_record(envelope, topic=topic, partition=0, offset=offset) for offset, envelope in enumerate(envelopes)]


def test_each_task_gets_its_own_payload_in_any_order(broker: Broker, topic: str) -> None:
    tasks = store(broker, topic, *(routed(decision(f"d-{number}")) for number in range(5)))
    reader = PayloadReader(broker)
    for place in (3, 0, 4, 4, 1):
        found = reader.read(tasks[place])
        assert found.verified
        assert found.routed["decision"]["decision_id"] == f"d-{place}"
    reader.close()


def test_a_reader_connects_with_the_first_payload_that_it_is_asked_for(
    broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = store(broker, topic, routed(decision("d-1")))
    connections: list[object] = []
    connect = broker.consumer

    def noting(*arguments: Any, **options: Any) -> Any:
        connections.append(arguments)
        return connect(*arguments, **options)

    monkeypatch.setattr(broker, "consumer", noting)
    with closing(PayloadReader(broker)) as reader:
        assert not connections
        for _ in range(2):
            reader.read(task)
        assert len(connections) == 1


def test_what_is_not_what_the_desk_judges_is_not_shown(broker: Broker, topic: str) -> None:
    first, _ = store(broker, topic, routed(decision("d-1")), routed(decision("d-2")))
    reader = PayloadReader(broker)
    with pytest.raises(InterlockError, match="is not what the desk judges of task d-1"):
        reader.read({**first, "offset": 1})
    reader.close()


def test_a_payload_that_kafka_does_not_have_is_missed_at_once(broker: Broker, topic: str) -> None:
    (first,) = store(broker, topic, routed(decision("d-1")))
    reader = PayloadReader(broker)
    with pytest.raises(InterlockError, match="no ClickHouse is known"):
        reader.read({**first, "offset": 7})
    reader.close()


@pytest.mark.parametrize(
    "place",
    [
        {"topic": "no-such-topic"},
        {"topic": ""},
        {"partition": 7},
        {"partition": -1},
        {"offset": -5},
        {"offset": 2**63 - 1},
    ],
)
def test_a_place_that_does_not_exist_is_missed_at_once(broker: Broker, topic: str, place: dict[str, Any]) -> None:
    (first,) = store(broker, topic, routed(decision("d-1")))
    reader = PayloadReader(broker)
    with pytest.raises(InterlockError, match="no ClickHouse is known"):
        reader.read(first | place)
    reader.close()


@pytest.mark.kafka
def test_a_payload_that_retention_took_is_missed_and_not_taken_for_the_next(kafka: Any) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    topic = f"reviews-{uuid4().hex}"
    broker.create_topics([TopicSpec(topic, 1)])
    first, two = store(broker, topic, routed(decision("d-1")), routed(decision("d-2")))
    deleted = broker._admin().delete_records([TopicPartition(topic, 0, 1)])
    for answer in deleted.values():
        answer.result(30)
    reader = PayloadReader(broker)
    with pytest.raises(InterlockError, match=f"Kafka no longer has {topic} 0:0"):
        reader.read(first)
    assert reader.read(two).verified
    reader.close()


def forgetful() -> MemoryBroker:
    """A Kafka that has the topic and nothing in it."""
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(TOPIC, 1)])
    return broker


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as server:
        with server.client() as client:
            migrate(client)
        yield server


@pytest.mark.warehouse
def test_after_retention_clickhouse_gives_the_same_bytes_again(warehouse: EmbeddedClickHouse) -> None:
    with warehouse.client() as client:
        stored = sink_world.World(f"w-{uuid4().hex}", client)
        envelope = routed(decision("d-1", attributes={"zebra": "1", "age": "40"}, vector=[0.1, -1.0]))
        value = wire.encode("RoutedDecision", envelope)
        stored.send(TOPIC, b"d-1", value)
        stored.settle(stored.writer())
        task = task_record(envelope, topic=TOPIC, partition=0, offset=0)
        reader = PayloadReader(forgetful(), lambda: client)
        found = reader.read(task)
        assert found.routed == wire.decode("RoutedDecision", value)
        assert found.verified
        assert "from ClickHouse" in found.note
        with pytest.raises(InterlockError, match="neither Kafka nor ClickHouse has"):
            reader.read({**task, "decision_id": "another"})
        reader.close()


@pytest.mark.warehouse
def test_content_laid_out_by_another_avro_library_cannot_be_verified_and_says_so(
    warehouse: EmbeddedClickHouse,
) -> None:
    with warehouse.client() as client:
        stored = sink_world.World(f"w-{uuid4().hex}", client)
        envelope = routed(decision("d-2"))
        value = wire.encode("RoutedDecision", envelope)
        stored.send(TOPIC, b"d-2", value)
        stored.settle(stored.writer())
        task = task_record(envelope, topic=TOPIC, partition=0, offset=0, payload_hash=payload_hash(value + b"\0"))
        reader = PayloadReader(forgetful(), lambda: client)
        found = reader.read(task)
        assert not found.verified
        assert "its hash cannot be verified" in found.note
        reader.close()


@pytest.mark.warehouse
def test_a_damaged_record_comes_from_clickhouse_with_its_own_bytes(warehouse: EmbeddedClickHouse) -> None:
    with warehouse.client() as client:
        stored = sink_world.World(f"w-{uuid4().hex}", client)
        envelope = routed(decision("d-3"))
        value = wire.encode("RoutedDecision", envelope)[:-1]
        stored.send(TOPIC, b"d-3", value)
        stored.settle(stored.writer())
        task = task_record(envelope, topic=TOPIC, partition=0, offset=0, payload_hash=payload_hash(value))
        reader = PayloadReader(forgetful(), lambda: client)
        found = reader.read(task)
        assert found.verified
        assert "decision.vector and what follows it cannot be read" in found.damage[0]
        reader.close()
