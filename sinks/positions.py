"""Asks Kafka and ClickHouse how far the sink was in partitions that were assigned to it."""

from collections.abc import Sequence

import structlog
from confluent_kafka import KafkaException, TopicPartition

from interlock.sinks import chunk as chunks
from interlock.sinks.chunk import Chunk
from interlock.sinks.failures import SinkStoppedError
from interlock.sinks.start import Start, start
from interlock.sinks.warehouse import Warehouse
from interlock.streams.ports import Consumer, Partition

log = structlog.get_logger()

# The next step asks again a broker that does not answer in this time.
REQUEST_TIMEOUT_SECONDS = 10.0


def read_committed(consumer: Consumer, partitions: Sequence[Partition]) -> list[TopicPartition]:
    """What the group has committed in each of `partitions`, with its metadata. Raises KafkaException."""
    committed = consumer.committed([TopicPartition(*partition) for partition in partitions], REQUEST_TIMEOUT_SECONDS)
    for known in committed:
        if known.error is not None:
            raise KafkaException(known.error)
    return committed


def find_starts(asking: Consumer, warehouse: Warehouse, committed: Sequence[TopicPartition]) -> list[Start]:
    """Where to begin in each partition of `committed`. `asking`: as of expired_records. Raises KafkaException,
    ClickHouseError, OSError and SinkStoppedError."""
    partitions = [(known.topic, known.partition) for known in committed]
    held = warehouse.last_chunks(partitions)
    return [
        _start(asking, partition, known, held.get(partition))
        for partition, known in zip(partitions, committed, strict=True)
    ]


def _start(asking: Consumer, partition: Partition, committed: TopicPartition, held: Chunk | None) -> Start:
    try:
        plan = chunks.planned(*partition, committed.metadata)
    except chunks.ForeignMetadataError as error:
        raise SinkStoppedError(str(error)) from error
    found = start(committed.offset, plan, held)
    if not (found.ahead or found.fill_to):
        return found
    oldest, end = asking.get_watermark_offsets(TopicPartition(*partition), REQUEST_TIMEOUT_SECONDS)
    if found.ahead and held is not None and held.last >= end:
        raise SinkStoppedError(
            f"ClickHouse holds {held.topic}[{held.partition}] up to offset {held.last}, but in Kafka the partition "
            f"ends before offset {end}: Kafka has lost records, or the topic was created again under the same "
            f"stream id. Find out which; to begin a new log beside the old rows, give the topic a new stream id."
        )
    if found.fill_to:
        found = found.from_oldest(oldest)
    log.warning(
        "ClickHouse holds less than Kafka's committed offset says; inserting what Kafka still has"
        if found.fill_to
        else "Kafka's committed offset lies before what ClickHouse holds; going on after that"
        if found.ahead
        else "ClickHouse holds less than Kafka's committed offset says, and Kafka has deleted what is missing",
        topic=partition[0],
        partition=partition[1],
        committed=committed.offset,
        held=None if held is None else held.last,
    )
    return found
