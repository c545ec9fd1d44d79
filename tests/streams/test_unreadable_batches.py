"""A batch that librdkafka refuses to decompress is passed over as one record without a value, and nothing behind it is
lost. Kafka's clients make such batches out of a few hundred bytes of zstd."""

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, TIMESTAMP_LOG_APPEND_TIME, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import ACTIONS_RETRY, DEAD_LETTER, REVIEWS_MANUAL
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.headers import headers_of
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import CONSUMER, KafkaBroker
from interlock.streams.ports import Broker, Consumer, Message, TopicSpec
from interlock.streams.runner import Runner, RunnerSettings
from interlock.streams.unreadable_batches import HEADER, UnreadableBatch, end_of_batch
from tests.processors.router.messages import decision

# The limit of these consumers; the pipeline's is 256 MiB.
LIMIT = {"receive.message.max.bytes": 1_000_000, "fetch.max.bytes": 900_000, "message.max.bytes": 900_000}
LARGE = {"compression.type": "zstd", "message.max.bytes": 100_000_000, "batch.size": 100_000_000}

TIMEOUT_SECONDS = 30.0

OUTPUTS = (REVIEWS_MANUAL, DEAD_LETTER)


@given(st.integers(0, 50), st.integers(1, 3_000), st.integers(0, 50))
def test_the_end_of_a_batch_is_found_with_few_questions(first: int, size: int, after: int) -> None:
    asked: list[int] = []

    def is_in_batch(offset: int) -> bool:
        asked.append(offset)
        assert first < offset < first + size + after
        return offset < first + size

    assert end_of_batch(is_in_batch, first, first + size + after) == first + size
    assert len(asked) <= 2 * size.bit_length() + 1


@pytest.mark.parametrize("topic", catalogue.STORED_TOPICS, ids=lambda topic: topic.name)
def test_for_clickhouse_it_is_a_row_with_an_error(topic: catalogue.Topic) -> None:
    batch = UnreadableBatch(topic.name, 0, 5, 7, "too large", 1_767_225_600_000)
    (row,) = rows.to_arrow([batch], Chunk(topic.name, 0, 7, 7), "log").to_pylist()
    assert row["kafka_offset"] == 7
    # These two hold whatever another record was, readable or not.
    assert row.get("error") == (None if topic in (DEAD_LETTER, ACTIONS_RETRY) else "not-wire-format")


@pytest.fixture
def broker(kafka: EmbeddedKafka) -> Broker:
    return KafkaBroker(kafka.bootstrap_servers)


@pytest.fixture
def topic(broker: Broker) -> str:
    """Partition 0: one record, a batch of three that is too large, and two records; partition 1: two records."""
    topic = str(uuid.uuid4())
    broker.create_topics([TopicSpec(topic, 2)])
    # One batch for each flush.
    producer = broker.producer(None, {**LARGE, "linger.ms": 500})
    for values, partition in (([b"a"], 0), ([bytes(2_000_000)] * 3, 0), ([b"b", b"c"], 0), ([b"d", b"e"], 1)):
        for value in values:
            producer.produce(topic, value, b"k", partition)
        producer.flush()
    assert broker.end_offsets(topic) == {0: 6, 1: 2}
    return topic


@pytest.fixture
def consumer(broker: Broker) -> Iterator[Consumer]:
    with closing(broker.consumer(None, overrides=LIMIT)) as consumer:
        yield consumer


def consumed(consumer: Consumer, count: int) -> list[tuple[int, int, bytes | None]]:
    """Partition, offset and value of `count` records, by partition."""
    found: list[Message] = []
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while len(found) < count and time.monotonic() < deadline:
        found += consumer.consume(10, 0.1)
    assert [message.error() for message in found] == [None] * count
    return sorted((message.partition(), message.offset(), message.value()) for message in found)


def next_message(consumer: Consumer) -> Message:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        for message in consumer.consume(1, 0.1):
            return message
    raise AssertionError("no message came")


@pytest.mark.kafka
def test_what_came_before_it_is_returned_first_and_the_position_stays_there(consumer: Consumer, topic: str) -> None:
    """A batch of messages is processed by columns, through the methods of one class."""
    here = TopicPartition(topic, 0)
    consumer.assign([here])
    seen: list[int] = []
    while len(seen) < 4:
        if messages := consumer.consume(10, 0.1):
            assert len({type(message) for message in messages}) == 1
            seen += [message.offset() for message in messages]
            assert consumer.position([here])[0].offset == (1 if seen == [0] else seen[-1] + 1)
    assert seen == [0, 3, 4, 5]


@pytest.mark.kafka
def test_it_arrives_as_one_record_without_a_value_and_everything_else_as_it_is(consumer: Consumer, topic: str) -> None:
    consumer.assign([TopicPartition(topic, 0, 0), TopicPartition(topic, 1, 0)])
    assert consumed(consumer, 6) == [(0, 0, b"a"), (0, 3, b""), (0, 4, b"b"), (0, 5, b"c"), (1, 0, b"d"), (1, 1, b"e")]
    assert not consumer.consume(10, 1.0)


@pytest.mark.kafka
def test_it_says_which_records_it_stands_for(consumer: Consumer, topic: str) -> None:
    consumer.assign([TopicPartition(topic, 0, 1)])
    found = next_message(consumer)
    ((name, text),) = found.headers()
    assert name == HEADER
    assert text.startswith(f"{topic}[0] offsets 1 to 3: ".encode())
    assert (found.topic(), found.key()) == (topic, b"")
    kind, milliseconds = found.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert milliseconds / 1_000 == pytest.approx(time.time(), abs=TIMEOUT_SECONDS)


@pytest.mark.kafka
@pytest.mark.parametrize("start", [1, 2, 3])
def test_the_position_is_behind_it_also_when_reading_began_inside_and_until_somebody_seeks(
    consumer: Consumer, topic: str, start: int
) -> None:
    here = TopicPartition(topic, 0)

    def position() -> int:
        return consumer.position([here])[0].offset

    consumer.assign([TopicPartition(topic, 0, start)])
    assert (next_message(consumer).offset(), position()) == (3, 4)
    assert consumed(consumer, 2) == [(0, 4, b"b"), (0, 5, b"c")]
    assert position() == 6
    consumer.seek(TopicPartition(topic, 0, 1))
    assert position() == OFFSET_INVALID
    assert consumed(consumer, 3)[0] == (0, 3, b"")


@pytest.mark.kafka
def test_a_group_commits_behind_the_last_batch_of_a_partition(broker: Broker) -> None:
    topic, group = str(uuid.uuid4()), str(uuid.uuid4())
    broker.create_topics([TopicSpec(topic, 1)])
    producer = broker.producer(None, LARGE)
    producer.produce(topic, bytes(2_000_000))
    producer.flush()
    with closing(broker.consumer(group, overrides=LIMIT)) as consumer:
        consumer.subscribe([topic])
        assert consumed(consumer, 1) == [(0, 0, b"")]
        positions = consumer.position(consumer.assignment())
        assert [place.offset for place in positions] == [1]
        committed: Any = consumer.commit(offsets=positions, asynchronous=False)
        assert [(place.offset, place.error) for place in committed] == [(1, None)]


@pytest.mark.kafka
def test_the_router_makes_a_dead_letter_of_it_and_routes_what_is_behind_it(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.streams.kafka.CONSUMER", {**CONSUMER, **LIMIT})
    topic, decision_id = str(uuid.uuid4()), str(uuid.uuid4())
    broker.create_topics(
        [TopicSpec(topic, 1), *(TopicSpec(output.name, output.partitions, output.config()) for output in OUTPUTS)]
    )
    producer = broker.producer(None, LARGE)
    producer.produce(topic, bytes(2_000_000), b"bomb")
    producer.flush()
    producer.produce(topic, wire.encode("Decision", decision(decision_id)), decision_id.encode())
    producer.flush()

    stop = threading.Event()
    router = Router(RouterState(), RouterSettings(bytes(16)))
    runner = Runner(broker, router, RunnerSettings(str(uuid.uuid4()), "1", (topic,)), stop=stop)
    with ThreadPoolExecutor(1) as threads, closing(broker.consumer(None)) as outputs:
        running = threads.submit(runner.run)
        try:
            outputs.assign(
                [
                    TopicPartition(output.name, number, OFFSET_BEGINNING)
                    for output in OUTPUTS
                    for number in range(output.partitions)
                ]
            )
            written: dict[str, Message] = {}
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while not {decision_id, topic} <= written.keys() and time.monotonic() < deadline:
                for message in outputs.consume(10, 0.1):
                    if message.topic() == DEAD_LETTER.name:
                        written[read_error_headers(headers_of(message))["topic"]] = message
                    else:
                        written[(message.key() or b"").decode()] = message
        finally:
            stop.set()
            running.result()
    assert written[decision_id].topic() == REVIEWS_MANUAL.name
    headers = headers_of(written[topic])
    what = read_error_headers(headers)
    assert (what["exception"], what["offset"]) == ("not-wire-format", "0")
    assert (dict(headers)[HEADER] or b"").startswith(f"{topic}[0] offset 0: ".encode())
