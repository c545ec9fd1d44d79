"""What every broker must do: the behaviour that the runner, the tables and the sinks rely upon.

Run against the broker in memory and against Apache Kafka by `test_conformance.py`.
"""

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from secrets import token_bytes
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import NewPartitions  # type: ignore[attr-defined]  # re-exported without saying so

from interlock.schemas.headers import headers_of, read_headers
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.memory.partitioner import murmur2
from interlock.streams.new_partitions import LOOK_SECONDS
from interlock.streams.ports import Broker, Consumer, Message, Producer, TopicSpec
from interlock.streams.tables import TableReader
from interlock.streams.topics import Difference, alter_topics, ensure_topics, kept_too_short
from tests.streams.raw_headers import RawHeaders

DEADLINE_SECONDS = 30.0  # of a broker on a machine with other work; nothing waits this long when all is well


@dataclass(frozen=True)
class Environment:
    """A broker under test. `let_time_pass(seconds)` moves the broker's clock where it can be moved; `produce_raw`
    writes a record with headers of any name to partition 0."""

    broker: Broker
    let_time_pass: Callable[[float], None]
    produce_raw: Callable[[str, bytes, bytes, RawHeaders], None]

    def topic(self, partitions: int = 1, **config: str) -> str:
        name = f"topic-{uuid4()}"
        spec = TopicSpec(name, partitions, {key.replace("_", "."): value for key, value in config.items()})
        self.broker.create_topics([spec])
        return name

    def fill(self, topic: str, values: Iterable[bytes], partition: int = 0) -> None:
        # Without idempotence, because acquiring a producer id costs librdkafka half a second.
        producer = self.broker.producer(None, {"enable.idempotence": False})
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(DEADLINE_SECONDS) == 0

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """As retention does, though not by time."""
        if isinstance(self.broker, MemoryBroker):
            self.broker.delete_records(topic, partition, before)
        elif isinstance(self.broker, KafkaBroker):
            place = TopicPartition(topic, partition, before)
            for deleted in self.broker._admin().delete_records([place]).values():
                deleted.result(DEADLINE_SECONDS)

    def add_partitions(self, topic: str, total: int) -> None:
        if isinstance(self.broker, MemoryBroker):
            self.broker.add_partitions(topic, total)
        elif isinstance(self.broker, KafkaBroker):
            for added in self.broker._admin().create_partitions([NewPartitions(topic, total)]).values():
                added.result(DEADLINE_SECONDS)

    def transactional(self, name: str = "", **overrides: object) -> Producer:
        producer = self.broker.producer(
            name or f"id-{uuid4()}", {key.replace("_", "."): value for key, value in overrides.items()}
        )
        producer.init_transactions(DEADLINE_SECONDS)
        return producer

    def reader(self, topic: str, partitions: Iterable[int] = (0,)) -> Consumer:
        consumer = self.broker.consumer(None)
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        return consumer

    def values(self, topic: str, count: int) -> list[bytes | None]:
        """The first `count` values of partition 0 that a new read_committed reader sees."""
        reader = self.reader(topic)
        try:
            return [message.value() for message in take(reader, count)]
        finally:
            reader.close()


def take(consumer: Consumer, count: int) -> list[Message]:
    """Consumes until `count` messages have come."""
    messages: list[Message] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(messages) < count:
        assert time.monotonic() < deadline, f"{len(messages)} of {count} messages came"
        new = consumer.consume(count - len(messages), 0.05)
        assert not [message.error() for message in new if message.error()]
        messages += new
    return messages


def _until(condition: Callable[[], bool], what: str) -> None:
    """Brokers hear of a changed setting some moments later."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


def _polled(table: TableReader, count: int) -> list[Message]:
    messages: list[Message] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(messages) < count:
        assert time.monotonic() < deadline, f"{len(messages)} of {count} messages came"
        messages += table.poll()
    return messages


def consume_until(condition: Callable[[], object], *consumers: Consumer) -> list[Message]:
    """Lets the consumers take part in rebalances until `condition` holds; returns what they read meanwhile."""
    messages: list[Message] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        for consumer in consumers:
            messages += consumer.consume(100, 0.05)
    return messages


def partitions_of(consumer: Consumer) -> set[int]:
    return {partition.partition for partition in consumer.assignment()}


def offsets(partitions: Iterable[TopicPartition]) -> list[int]:
    return [partition.offset for partition in partitions]


class Conformance:
    """Subclasses provide the fixture `env`."""

    def test_records_of_a_partition_come_in_the_order_written(self, env: Environment) -> None:
        topic = env.topic()
        env.fill(topic, [b"%d" % number for number in range(500)])
        assert env.values(topic, 500) == [b"%d" % number for number in range(500)]

    def test_a_key_goes_to_the_partition_that_the_java_clients_choose(self, env: Environment) -> None:
        topic = env.topic(partitions=7)
        keys = [b"", b"a", b"decision-1", b"ein sch\xc3\xb6ner Tag", *(b"key-%d" % n for n in range(100))]
        producer = env.broker.producer(None)
        for key in keys:
            producer.produce(topic, b"", key)
        assert producer.flush(DEADLINE_SECONDS) == 0
        reader = env.reader(topic, range(7))
        found = {message.key(): message.partition() for message in take(reader, len(keys))}
        assert found == {key: (murmur2(key) & 0x7FFFFFFF) % 7 for key in keys}

    def test_everything_about_a_record_survives(self, env: Environment) -> None:
        topic = env.topic()
        headers: list[tuple[str, str | bytes | None]] = [("a", b"1"), ("a", b"\xff"), ("empty", b""), ("none", None)]
        producer = env.broker.producer(None)
        producer.produce(topic, b"value", b"key", 0, None, None, 1_700_000_000_123, headers)
        producer.produce(topic, None, b"tombstone", partition=0)
        producer.produce(topic, b"no key", None, partition=0)
        producer.produce(topic, b"", b"", partition=0)
        assert producer.flush(DEADLINE_SECONDS) == 0
        first, second, third, fourth = take(env.reader(topic), 4)
        assert (first.topic(), first.partition(), first.offset()) == (topic, 0, 0)
        assert (first.key(), first.value(), first.headers()) == (b"key", b"value", headers)
        assert first.timestamp() == (1, 1_700_000_000_123)
        assert (second.key(), second.value(), second.headers()) == (b"tombstone", None, None)
        assert (third.key(), third.value()) == (None, b"no key")
        assert (fourth.key(), fourth.value()) == (b"", b"")

    def test_headers_whose_names_are_not_utf8_raise_and_are_gone_once_they_were_read(self, env: Environment) -> None:
        topic = env.topic()
        env.produce_raw(topic, b"first", b"k", [(b"trace", b"1")])
        env.produce_raw(topic, b"second", b"k", [(b"trace", b"1"), (b"caf\xe9", b"2"), (b"after", b"3")])
        env.produce_raw(topic, b"third", b"k", [("größe".encode(), b"\xff")])
        messages = take(env.reader(topic), 3)
        assert read_headers(messages) == ([[("trace", b"1")], None, [("größe", b"\xff")]], [1])
        assert (messages[1].key(), messages[1].value()) == (b"k", b"second")
        assert headers_of(messages[1]) == []
        (again,) = take(env.reader(topic), 3)[1:2]
        with pytest.raises(SystemError):
            again.headers()

    def test_the_time_of_a_record_is_the_brokers_where_the_topic_says_so(self, env: Environment) -> None:
        """Retention counts from it: a record with the time of last month would be deleted before anybody reads it."""
        topic = f"topic-{uuid4()}"
        env.broker.create_topics([TopicSpec(topic, 1, {"message.timestamp.type": "LogAppendTime"})])
        producer = env.broker.producer(None)
        producer.produce(topic, b"x", timestamp=1_700_000_000_123)
        assert producer.flush(DEADLINE_SECONDS) == 0
        (message,) = take(env.reader(topic), 1)
        kind, milliseconds = message.timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        assert milliseconds > 1_750_000_000_000

    def test_a_delivery_report_tells_the_time_that_the_broker_gave_the_record(self, env: Environment) -> None:
        topic = f"topic-{uuid4()}"
        env.broker.create_topics([TopicSpec(topic, 1, {"message.timestamp.type": "LogAppendTime"})])
        reports: list[object] = []
        producer = env.broker.producer(None, {"delivery.report.only.error": False})
        producer.produce(topic, b"x", on_delivery=lambda _, message: reports.append(message.timestamp()))
        assert producer.flush(DEADLINE_SECONDS) == 0
        (message,) = take(env.reader(topic), 1)
        assert reports == [message.timestamp()]
        assert message.timestamp()[0] == TIMESTAMP_LOG_APPEND_TIME

    def test_delivery_is_reported_to_the_callback(self, env: Environment) -> None:
        topic = env.topic()
        reports: list[object] = []
        producer = env.broker.producer(None, {"delivery.report.only.error": False})
        producer.produce(topic, b"x", on_delivery=lambda error, message: reports.append((error, message.offset())))
        assert producer.flush(DEADLINE_SECONDS) == 0
        assert reports == [(None, 0)]

    def test_a_full_queue_is_a_buffer_error_and_a_flush_makes_room(self, env: Environment) -> None:
        topic = env.topic()
        producer = env.broker.producer(None, {"queue.buffering.max.messages": 10, "linger.ms": 60_000})
        for _ in range(10):
            producer.produce(topic, b"x")
        with pytest.raises(BufferError):
            producer.produce(topic, b"x")
        assert producer.flush(DEADLINE_SECONDS) == 0
        producer.produce(topic, b"last")
        assert producer.flush(DEADLINE_SECONDS) == 0
        assert env.values(topic, 11) == [b"x"] * 10 + [b"last"]

    def test_a_record_above_the_limit_is_refused_when_produced(self, env: Environment) -> None:
        producer = env.broker.producer(None, {"message.max.bytes": 2000})
        with pytest.raises(KafkaException) as refused:
            producer.produce(env.topic(), b"x" * 3000)
        assert refused.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE

    def test_a_record_above_the_limit_leaves_the_transaction_as_it_is(self, env: Environment) -> None:
        topic = env.topic()
        producer = env.transactional(message_max_bytes=2000)
        producer.begin_transaction()
        too_large: tuple[dict[str, Any], ...] = (
            {"value": b"x" * 3000},
            {"headers": [("h", b"x" * 3000)]},
            {"key": b"x" * 3000},
        )
        for record in too_large:
            with pytest.raises(KafkaException) as refused:
                producer.produce(topic, **record)
            assert refused.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE
        producer.produce(topic, b"fits")
        producer.commit_transaction(DEADLINE_SECONDS)
        assert env.values(topic, 1) == [b"fits"]

    def test_a_record_above_the_limit_of_its_topic_fails_the_transaction(self, env: Environment) -> None:
        topic = env.topic(max_message_bytes="2000")
        producer = env.transactional()
        producer.begin_transaction()
        producer.produce(topic, token_bytes(3000))
        with pytest.raises(KafkaException) as refused:
            producer.commit_transaction(DEADLINE_SECONDS)
        assert refused.value.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE

    def test_the_limit_of_a_topic_counts_what_compression_leaves(self, env: Environment) -> None:
        topic = env.topic(max_message_bytes="2000")
        producer = env.broker.producer(None, {"compression.type": "zstd"})
        producer.produce(topic, b"x" * 300_000)
        assert producer.flush(DEADLINE_SECONDS) == 0
        assert env.values(topic, 1) == [b"x" * 300_000]

    def test_a_transaction_becomes_visible_when_it_commits(self, env: Environment) -> None:
        topic = env.topic()
        producer = env.transactional()
        producer.begin_transaction()
        producer.produce(topic, b"one")
        producer.produce(topic, b"two")
        assert producer.flush(DEADLINE_SECONDS) == 0
        assert env.broker.end_offsets(topic) == {0: 0}
        producer.commit_transaction(DEADLINE_SECONDS)
        assert env.values(topic, 2) == [b"one", b"two"]
        assert env.broker.end_offsets(topic) == {0: 3}, "the commit marker takes an offset"

    def test_an_aborted_transaction_is_never_seen(self, env: Environment) -> None:
        topic = env.topic()
        producer = env.transactional()
        for number in range(3):
            producer.begin_transaction()
            producer.produce(topic, b"aborted %d" % number)
            producer.flush(DEADLINE_SECONDS)
            producer.abort_transaction(DEADLINE_SECONDS)
            producer.begin_transaction()
            producer.produce(topic, b"committed %d" % number)
            producer.commit_transaction(DEADLINE_SECONDS)
        assert env.values(topic, 3) == [b"committed 0", b"committed 1", b"committed 2"]

    def test_readers_wait_behind_an_open_transaction_unless_they_read_uncommitted(self, env: Environment) -> None:
        topic = env.topic()
        producer = env.transactional()
        producer.begin_transaction()
        producer.produce(topic, b"open")
        producer.flush(DEADLINE_SECONDS)
        env.fill(topic, [b"behind"])
        curious = env.broker.consumer(None, isolation="read_uncommitted")
        curious.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        assert [message.value() for message in take(curious, 2)] == [b"open", b"behind"]
        assert env.reader(topic).consume(10, 0.2) == []
        producer.abort_transaction(DEADLINE_SECONDS)
        assert env.values(topic, 1) == [b"behind"]

    def test_an_empty_transaction_commits(self, env: Environment) -> None:
        producer = env.transactional()
        producer.begin_transaction()
        producer.commit_transaction(DEADLINE_SECONDS)

    def test_a_new_producer_aborts_and_fences_the_older_one(self, env: Environment) -> None:
        topic, name = env.topic(), f"id-{uuid4()}"
        old = env.transactional(name)
        old.begin_transaction()
        old.produce(topic, b"old")
        old.flush(DEADLINE_SECONDS)
        new = env.transactional(name)
        new.begin_transaction()
        new.produce(topic, b"new")
        with pytest.raises(KafkaException) as fenced:
            old.commit_transaction(DEADLINE_SECONDS)
        assert fenced.value.args[0].code() == KafkaError._FENCED
        assert fenced.value.args[0].fatal()
        new.commit_transaction(DEADLINE_SECONDS)
        assert env.values(topic, 1) == [b"new"]

    def test_a_forgotten_transaction_times_out_and_its_producer_is_fenced(self, env: Environment) -> None:
        topic = env.topic()
        producer = env.transactional(transaction_timeout_ms=1000)
        producer.begin_transaction()
        producer.produce(topic, b"forgotten")
        producer.flush(DEADLINE_SECONDS)
        env.fill(topic, [b"behind"])
        env.let_time_pass(2)
        assert env.values(topic, 1) == [b"behind"]
        with pytest.raises(KafkaException) as fenced:
            producer.commit_transaction(DEADLINE_SECONDS)
        assert fenced.value.args[0].fatal()

    def test_positions_pass_over_what_readers_do_not_see(self, env: Environment) -> None:
        topic = env.topic()
        producer = env.transactional()
        for finish in (producer.abort_transaction, producer.commit_transaction):
            producer.begin_transaction()
            producer.produce(topic, b"x")
            producer.flush(DEADLINE_SECONDS)
            finish(DEADLINE_SECONDS)
        env.fill(topic, [b"y"])
        consumer = env.reader(topic)
        assert [message.offset() for message in take(consumer, 2)] == [2, 4]
        assert offsets(consumer.position([TopicPartition(topic, 0)])) == [5]

    def test_a_paused_partition_rests_until_it_is_resumed(self, env: Environment) -> None:
        topic = env.topic(partitions=2)
        consumer = env.reader(topic, (0, 1))
        consumer.consume(1, 0.05)
        consumer.pause([TopicPartition(topic, 0)])
        env.fill(topic, [b"paused"], partition=0)
        env.fill(topic, [b"flows"], partition=1)
        assert [message.value() for message in take(consumer, 1)] == [b"flows"]
        assert consumer.consume(1, 0.2) == []
        consumer.resume([TopicPartition(topic, 0)])
        assert [message.value() for message in take(consumer, 1)] == [b"paused"]

    def test_watermarks_are_the_first_offset_and_the_one_after_the_last(self, env: Environment) -> None:
        topic = env.topic()
        env.fill(topic, [b"x"] * 4)
        consumer = env.reader(topic)
        assert consumer.get_watermark_offsets(TopicPartition(topic, 0), DEADLINE_SECONDS) == (0, 4)

    def test_consume_returns_no_more_than_was_asked_for(self, env: Environment) -> None:
        topic = env.topic()
        env.fill(topic, [b"x"] * 20)
        consumer = env.reader(topic)
        take(consumer, 1)
        assert len(consumer.consume(7, DEADLINE_SECONDS)) <= 7

    def test_a_table_is_read_to_its_end_and_then_followed(self, env: Environment) -> None:
        topic = env.topic(cleanup_policy="compact")
        producer = env.transactional()
        for key, value in ((b"a", b"1"), (b"b", b"1"), (b"a", b"2")):
            producer.begin_transaction()
            producer.produce(topic, value, key)
            producer.commit_transaction(DEADLINE_SECONDS)
        table = TableReader(env.broker, [topic])
        # The end of the topic is a commit marker, which no reader sees.
        read = {message.key(): message.value() for message in table.read_all(DEADLINE_SECONDS)}
        assert read == {b"a": b"2", b"b": b"1"}
        assert table.poll() == []
        producer.begin_transaction()
        producer.produce(topic, None, b"a")
        producer.commit_transaction(DEADLINE_SECONDS)
        news: list[Message] = []
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not news and time.monotonic() < deadline:
            news = table.poll()
        assert [(message.key(), message.value()) for message in news] == [(b"a", None)]
        table.close()

    def test_a_table_that_is_written_at_every_moment_is_read_and_nothing_of_it_is_missed(
        self, env: Environment
    ) -> None:
        topic = env.topic()
        env.fill(topic, [b"x"] * 10)
        stop = threading.Event()
        written = 10

        def write() -> None:
            nonlocal written
            producer = env.broker.producer(None, {"enable.idempotence": False})
            while written < 2_000 and not stop.wait(0.005):
                producer.produce(topic, b"x", b"%d" % written)
                producer.flush()
                written += 1

        writer = threading.Thread(target=write)
        writer.start()
        table = TableReader(env.broker, [topic])
        records = table.read_all(DEADLINE_SECONDS)
        still_written = writer.is_alive()
        stop.set()
        writer.join()
        assert still_written, "reading ended only when nothing was written any more"
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(records) < written and time.monotonic() < deadline:
            records += table.poll()
        assert [record.offset() for record in records] == list(range(written))
        table.close()

    def test_an_empty_table_is_read_at_once_and_a_missing_one_is_refused(self, env: Environment) -> None:
        table = TableReader(env.broker, [env.topic(partitions=3), env.topic()])
        assert table.read_all(DEADLINE_SECONDS) == []
        table.close()
        with pytest.raises(KafkaException, match="no-such-topic does not exist") as refused:
            TableReader(env.broker, ["no-such-topic"])
        assert refused.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART

    def test_the_ends_of_partitions_are_where_readers_of_committed_records_end(self, env: Environment) -> None:
        topic, other = env.topic(partitions=2), env.topic()
        env.fill(topic, [b"x"] * 3, 1)
        producer = env.transactional()
        producer.begin_transaction()
        producer.produce(topic, b"open", partition=1)
        producer.flush(DEADLINE_SECONDS)
        asked = [TopicPartition(topic, 0, OFFSET_END), TopicPartition(topic, 1, OFFSET_END)]
        with closing(env.broker.consumer(None)) as consumer:
            found = consumer.offsets_for_times([*asked, TopicPartition(other, 0, OFFSET_END)], DEADLINE_SECONDS)
            assert {(each.topic, each.partition): each.offset for each in found} == {
                (topic, 0): 0,
                (topic, 1): 3,
                (other, 0): 0,
            }
            producer.commit_transaction(DEADLINE_SECONDS)
            # Behind the marker, which Kafka writes after its answer to the commit.
            _until(lambda: offsets(consumer.offsets_for_times(asked, DEADLINE_SECONDS)) == [0, 5], "the marker stands")

    def test_the_beginnings_of_partitions_are_told_in_one_question_too(self, env: Environment) -> None:
        topic = env.topic(partitions=2)
        env.fill(topic, [b"x"] * 3, 1)
        env.delete_records(topic, 1, 2)
        asked = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in (0, 1)]
        with closing(env.broker.consumer(None)) as consumer:
            assert offsets(consumer.offsets_for_times(asked, DEADLINE_SECONDS)) == [0, 2]

    def test_a_time_before_1970_is_refused_where_records_are_looked_up_by_time(self, env: Environment) -> None:
        topic = env.topic()
        env.fill(topic, [b"x"])
        with closing(env.broker.consumer(None)) as consumer:
            (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, 0)], DEADLINE_SECONDS)
            assert found.offset == 0
            with pytest.raises(KafkaException) as refused:
                consumer.offsets_for_times([TopicPartition(topic, 0, -1_000)], DEADLINE_SECONDS)
            assert refused.value.args[0].code() == KafkaError.UNSUPPORTED_VERSION

    def test_a_table_is_followed_into_partitions_that_are_added_later(self, env: Environment) -> None:
        """A kill switch must be seen wherever it is written."""
        topic = env.topic(partitions=2)
        # It is time for a look at every poll: a broker may tell of the new partition some looks later.
        looks = count(0.0, LOOK_SECONDS)
        env.fill(topic, [b"old"])
        with closing(TableReader(env.broker, [topic], monotonic=lambda: next(looks))) as table:
            assert [message.value() for message in table.read_all(DEADLINE_SECONDS)] == [b"old"]
            env.fill(topic, [b"seen"])
            assert [message.value() for message in _polled(table, 1)] == [b"seen"]
            env.add_partitions(topic, 3)
            env.fill(topic, [b"new"], 2)
            env.fill(topic, [b"next"])
            found = sorted((message.partition(), message.value()) for message in _polled(table, 2))
            assert found == [(0, b"next"), (2, b"new")]
            assert table.poll() == []

    def test_topics_are_created_once_and_differences_are_reported_not_changed(self, env: Environment) -> None:
        name = f"topic-{uuid4()}"
        spec = TopicSpec(name, 2, {"cleanup.policy": "compact", "max.message.bytes": "2000000"})
        assert ensure_topics(env.broker, [spec]).created == (name,)
        again = ensure_topics(env.broker, [spec])
        assert (again.created, again.differences) == ((), ())
        other = ensure_topics(env.broker, [TopicSpec(name, 3, {"cleanup.policy": "delete"})])
        assert other.created == ()
        assert other.differences == (
            Difference(name, "partitions", "3", "2"),
            Difference(name, "cleanup.policy", "delete", "compact"),
        )
        assert str(other.differences[0]) == f"topic {name}: partitions is 2, expected 3"
        (smaller,) = ensure_topics(env.broker, [TopicSpec(name, 2, {"max.message.bytes": "3000000"})]).differences
        assert f"--entity-name {name} --add-config max.message.bytes=3000000" in str(smaller)
        assert env.broker.topic_states([name])[name].partitions == 2
        env.broker.create_topics([spec])

    def test_an_existing_topic_gets_other_settings_and_keeps_its_records_unless_told_otherwise(
        self, env: Environment
    ) -> None:
        short, endless = f"topic-{uuid4()}", f"topic-{uuid4()}"
        ensure_topics(
            env.broker,
            [
                TopicSpec(short, 1, {"cleanup.policy": "delete", "retention.ms": "1000000"}),
                TopicSpec(endless, 1, {"cleanup.policy": "compact"}),
            ],
        )
        specs = [
            TopicSpec(short, 3, {"cleanup.policy": "delete", "retention.ms": "2000000"}),
            TopicSpec(endless, 1, {"cleanup.policy": "compact,delete", "retention.ms": "900000000000"}),
        ]
        longer = Difference(short, "retention.ms", "2000000", "1000000")

        def becomes(retention: str, cleanup: str) -> None:
            def is_so() -> bool:
                states = env.broker.topic_states([short, endless], ["cleanup.policy", "retention.ms"])
                found = states[short].config["retention.ms"], states[endless].config["cleanup.policy"]
                return found == (retention, cleanup)

            _until(is_so, f"the settings become {retention} and {cleanup}")

        assert longer in kept_too_short(env.broker, specs)
        report = alter_topics(env.broker, specs, deleting=False, apply=False)
        assert report.corrected == (longer,)
        assert {each.topic for each in report.differences} == {endless}
        becomes("1000000", "compact")
        alter_topics(env.broker, specs, deleting=False, apply=True)
        becomes("2000000", "compact")
        report = alter_topics(env.broker, specs, deleting=True, apply=True)
        assert {each.topic for each in report.corrected} == {endless}
        becomes("2000000", "compact,delete")
        assert kept_too_short(env.broker, specs) == []
        (shorter,) = alter_topics(
            env.broker, [TopicSpec(short, 1, {"retention.ms": "1000"})], deleting=False, apply=True
        ).differences
        assert shorter.deletes_if_corrected

    def test_only_the_settings_of_topics_that_are_named_are_corrected(self, env: Environment) -> None:
        name = f"topic-{uuid4()}"
        before = {"message.timestamp.type": "CreateTime", "max.message.bytes": "2000000"}
        ensure_topics(env.broker, [TopicSpec(name, 1, before)])
        expected = TopicSpec(name, 1, {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "3000000"})
        report = ensure_topics(env.broker, [expected], correct=["message.timestamp.type"])
        assert report.corrected == (Difference(name, "message.timestamp.type", "LogAppendTime", "CreateTime"),)
        assert report.differences == (Difference(name, "max.message.bytes", "3000000", "2000000"),)
        after = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "2000000"}
        _until(lambda: env.broker.topic_states([name], sorted(before))[name].config == after, "one is corrected")
