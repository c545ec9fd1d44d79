"""What readers and senders share: records of a consume call, ranges of partitions, acknowledged sending."""

import threading
from contextlib import closing
from itertools import islice
from typing import Any
from unittest.mock import patch

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import Message

from interlock.streams.consuming import records_of
from interlock.streams.errors import FATAL_CODES
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import FaultPlan, MemoryBroker
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import TopicSpec
from interlock.streams.ranges import READ_TO_END, RangeReader, read_range, read_topic
from interlock.streams.sending import Outgoing, send_and_wait
from interlock.streams.tables import TableReader

TOPIC = "t"


def message(offset: int, error: KafkaError | None = None) -> Message:
    return Message(topic=TOPIC, partition=0, offset=offset, value=b"%d" % offset, error=error)


def test_a_batch_without_events_is_passed_on_as_it_is() -> None:
    messages = [message(1), message(2)]
    assert records_of(messages) is messages


def test_events_are_told_apart_and_records_keep_their_order() -> None:
    ends: list[tuple[str, int, int]] = []
    transient: list[int] = []
    records = records_of(
        [
            message(1),
            message(2, KafkaError(KafkaError._PARTITION_EOF)),
            message(0, KafkaError(KafkaError._TRANSPORT)),
            message(3),
        ],
        on_end=lambda event: ends.append((event.topic(), event.partition(), event.offset())),
        on_transient=lambda error: transient.append(error.code()),
    )
    assert [record.offset() for record in records] == [1, 3]
    assert ends == [(TOPIC, 0, 2)]
    assert transient == [KafkaError._TRANSPORT]


@pytest.mark.parametrize(
    "error", [KafkaError(KafkaError._TRANSPORT, fatal=True), *(KafkaError(code) for code in sorted(FATAL_CODES))]
)
def test_an_error_that_no_retry_can_mend_is_raised(error: KafkaError) -> None:
    with pytest.raises(KafkaException) as raised:
        records_of([message(1), message(2, error)])
    assert raised.value.args[0].code() == error.code()


def transactions(partitions: int, count: int) -> MemoryBroker:
    """Records in transactions of one each, so that a marker follows every record; some come after aborted ones."""
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(TOPIC, partitions)])
    producer = broker.producer("writer")
    producer.init_transactions(1)
    for number in range(count):
        if number % 3 == 1:
            producer.begin_transaction()
            producer.produce(TOPIC, b"aborted", None, number % partitions)
            producer.flush()
            producer.abort_transaction(1)
        producer.begin_transaction()
        producer.produce(TOPIC, b"%d" % number, None, number % partitions)
        producer.commit_transaction(1)
    return broker


def values(messages: Any) -> list[int]:
    return [int(message.value()) for message in messages]


def test_a_topic_is_read_to_its_end_although_markers_stand_there() -> None:
    broker = transactions(3, 20)
    assert sorted(values(record for batch in read_topic(broker, TOPIC) for record in batch)) == list(range(20))
    assert list(read_topic(transactions(2, 0), TOPIC)) == []


def test_a_range_holds_its_first_offset_and_not_its_end() -> None:
    broker = transactions(1, 8)
    offsets = [record.offset() for batch in read_topic(broker, TOPIC) for record in batch]
    for first in range(8):
        for last in range(first, 8):
            ends = {(TOPIC, 0): offsets[last] + 1}
            assert values(read_range(broker, {(TOPIC, 0): offsets[first]}, ends)) == list(range(first, last + 1))
            # A range that ends at a record which is not wanted, with markers before it.
            ends = {(TOPIC, 0): offsets[last]}
            assert values(read_range(broker, {(TOPIC, 0): offsets[first]}, ends)) == list(range(first, last))


def test_a_reader_that_stops_early_knows_where_to_go_on() -> None:
    broker = transactions(2, 30)
    ends = {(TOPIC, number): end for number, end in broker.end_offsets(TOPIC).items()}
    starts = dict.fromkeys(ends, 0)
    parts: list[list[int]] = []
    while True:
        reader = RangeReader(broker.consumer(None, overrides=READ_TO_END), starts, ends)
        if not reader.unread:
            break
        parts.append(values(reader.read(4)))
        starts = reader.positions
    assert sorted(number for part in parts for number in part) == list(range(30))
    assert len(parts) > 7
    assert starts == ends


def test_a_partition_that_is_not_delivered_is_named_after_the_timeout() -> None:
    broker = transactions(2, 4)
    consumer = broker.consumer(None, overrides=READ_TO_END)
    starts = {(TOPIC, 0): 0, (TOPIC, 1): 0}
    reader = RangeReader(consumer, starts, dict.fromkeys(starts, 4), timeout=0.3)
    consumer.pause(consumer.assignment()[1:])
    with pytest.raises(KafkaException, match=r"t\[1\] could not be read to the end within 0.3 s: is Kafka reachable\?"):
        list(reader.batches())


def test_a_reader_that_shall_stop_reads_no_further() -> None:
    stop = threading.Event()
    stop.set()
    broker = transactions(1, 3)
    assert list(read_range(broker, {(TOPIC, 0): 0}, {(TOPIC, 0): 3}, stop=stop)) == []


def test_committed_offsets_are_those_of_the_group_and_0_where_there_is_none() -> None:
    broker = transactions(2, 3)
    consumer = broker.consumer("readers")
    (partition,) = consumer.commit(offsets=[TopicPartition(TOPIC, 1, 5)], asynchronous=False)
    assert partition.error is None
    assert committed_offsets(broker, "readers", {TOPIC: 2}) == {(TOPIC, 0): 0, (TOPIC, 1): 5}


def test_records_are_stored_when_sending_returns() -> None:
    broker = transactions(1, 0)
    records = [Outgoing(TOPIC, b"k", b"1", [("name", b"value")]), Outgoing(TOPIC, b"k", None)]
    send_and_wait(broker.producer(None), records, 1.0)
    first, last = (record for batch in read_topic(broker, TOPIC) for record in batch)
    assert (first.key(), first.value(), first.headers()) == (b"k", b"1", [("name", b"value")])
    assert last.value() is None


@pytest.mark.parametrize("step", ["produce", "flush"])
def test_a_record_that_kafka_does_not_take_is_an_error_and_is_not_sent_later(step: Any) -> None:
    broker = transactions(1, 0)
    plan = FaultPlan()
    plan.inject_at(step, KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT, "too slow")))
    producer = broker.process(plan).producer(None)
    with pytest.raises(KafkaException, match="too slow"):
        send_and_wait(producer, [Outgoing(TOPIC, b"k", b"1")], 1.0)
    producer.flush()
    assert list(read_topic(broker, TOPIC)) == []


def test_without_a_broker_sending_ends_after_its_timeout() -> None:
    producer = KafkaBroker("127.0.0.1:1").producer(None)
    with pytest.raises(KafkaException, match=r"no acknowledgement within 0.2 s"):
        send_and_wait(producer, [Outgoing(TOPIC, b"k", b"1")], 0.2)
    assert producer.flush(1.0) == 0  # nothing is left that could be sent later


@pytest.mark.parametrize("parts", [None, 0, 1, 99], ids=["whole", "nothing", "one part", "all parts"])
def test_whoever_follows_a_table_gets_every_record_once_however_much_was_read_before(parts: int | None) -> None:
    broker = transactions(3, 20)
    table = TableReader(broker, [TOPIC])
    if parts is None:
        found = values(table.read_all())
    else:
        found = [number for part in islice(table.read_parts(), parts) for number in values(part)]
    producer = broker.producer(None)
    for number in range(20, 25):  # come between the two
        producer.produce(TOPIC, b"%d" % number, None, number % 3)
    producer.flush()
    found += values(table.poll())
    found += values(table.poll())
    assert sorted(found) == list(range(25))
    assert table.poll() == []
    table.close()


def test_a_record_ends_the_waiting_for_one() -> None:
    broker = MemoryBroker(waits=True)
    broker.create_topics([TopicSpec(TOPIC, 1)])
    with closing(TableReader(broker, [TOPIC])) as table:
        assert table.poll() == []
        # Longer than any test may take.
        found: list[int] = []
        waiting = threading.Thread(target=lambda: found.extend(values(table.poll(600))))
        waiting.start()
        producer = broker.producer(None)
        producer.produce(TOPIC, b"1", None, 0)
        producer.flush()
        waiting.join()
        assert found == [1]


@pytest.mark.parametrize(("once", "consumers"), [(False, 2), (True, 1)])
def test_whoever_follows_a_table_asks_for_new_records_from_the_end_of_reading_on(once: bool, consumers: int) -> None:
    """So that somebody who polls for the first time hours later gets all of them."""
    broker = transactions(3, 20)
    with (
        patch.object(broker, "consumer", wraps=broker.consumer) as made,
        closing(TableReader(broker, [TOPIC], once=once)) as table,
    ):
        table.read_all()
        assert made.call_count == consumers
