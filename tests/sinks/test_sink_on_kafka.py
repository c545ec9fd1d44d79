"""The sink on a real broker: commits with metadata, topic ids, end of partition, as the in-memory broker has them."""

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from interlock.operations.group_owners import count_members
from interlock.schemas import catalogue
from interlock.sinks.chunk import Chunk, planned
from interlock.sinks.reconcile import reconcile
from interlock.sinks.stream_ids import stream_ids
from interlock.sinks.writer import SinkSettings, SinkWriter
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec

if TYPE_CHECKING:
    from interlock.streams.embedded_kafka import EmbeddedKafka

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse]

# The broker is shared: decisions come to it from other tests too, and every one must arrive.
TOPIC = catalogue.DECISIONS.name
PARTITIONS = catalogue.DECISIONS.partitions


@pytest.fixture
def broker(kafka: "EmbeddedKafka") -> KafkaBroker:
    broker = KafkaBroker(kafka.bootstrap_servers)
    broker.create_topics([TopicSpec(TOPIC, PARTITIONS)])
    return broker


def test_a_chunk_survives_in_the_metadata_of_a_commit(broker: KafkaBroker) -> None:
    chunk = Chunk(TOPIC, 0, 3, 17)
    consumer = broker.consumer(f"group-{uuid4()}")
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 3, chunk.metadata())], asynchronous=False)
    (found,) = consumer.committed([TopicPartition(TOPIC, 0)], 30)
    assert planned(TOPIC, 0, found.metadata) == chunk
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 18)], asynchronous=False)
    (found,) = consumer.committed([TopicPartition(TOPIC, 0)], 30)
    assert (found.offset, planned(TOPIC, 0, found.metadata)) == (18, None)
    consumer.close()


def test_the_members_of_a_group_are_counted(broker: KafkaBroker, kafka: "EmbeddedKafka") -> None:
    properties = {"bootstrap.servers": kafka.bootstrap_servers}
    group = f"group-{uuid4()}"
    assert count_members(properties, group) == 0
    consumer = broker.consumer(group)
    consumer.subscribe([TOPIC])
    while not consumer.assignment():
        consumer.consume(1, 0.1)
    assert count_members(properties, group) == 1
    consumer.close()
    assert count_members(properties, group) == 0


def test_records_of_transactions_arrive_once_over_two_sinks_and_reconcile(
    broker: KafkaBroker, kafka: "EmbeddedKafka", own: Client
) -> None:
    ids = stream_ids(AdminClient({"bootstrap.servers": kafka.bootstrap_servers}), [TOPIC])
    assert len(ids[TOPIC]) > 10
    group = f"sink-{uuid4()}"
    producer = broker.producer(f"producer-{uuid4()}")
    producer.init_transactions(30)

    def transaction(*, commit: bool) -> None:
        producer.begin_transaction()
        for number in range(500):
            producer.produce(TOPIC, b"unreadable", b"%d" % number)
        # Kafka may refuse to abort what it has not begun yet: a partition that is added at the same moment.
        producer.flush(30)
        producer.commit_transaction(30) if commit else producer.abort_transaction(30)

    def sink() -> SinkWriter:
        settings = SinkSettings(ids, flush_seconds=0.05, max_rows=130)
        return SinkWriter(broker, own, settings, group=group, topics=[TOPIC])

    def inserted() -> bool:
        watcher = broker.consumer(group)
        places = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
        at = {item.partition: item.offset for item in watcher.committed(places, 30)}
        watcher.close()
        # The marker of a commit follows the last record: a group that stands on it has read every record.
        return all(at[number] >= end - 1 for number, end in broker.end_offsets(TOPIC).items() if end)

    transaction(commit=True)
    transaction(commit=False)
    first = sink()
    for _ in range(12):
        first.step()
    second = sink()
    transaction(commit=True)
    for _ in range(200):
        first.step()
        second.step()
        if inserted():
            break
    first.close()
    transaction(commit=True)
    for _ in range(200):
        second.step()
        if inserted():
            break
    assert inserted()
    second.close()
    result = reconcile(
        broker, own, partitions={TOPIC: PARTITIONS}, stream_ids=ids, sink_group=group, router_group=group + "-none"
    )
    assert [partition.verdict for partition in result.partitions] == ["ok"] * PARTITIONS
    assert sum(partition.in_clickhouse for partition in result.partitions) >= 1500
    assert result.lag <= 2 * PARTITIONS
