"""Reading what Kafka holds, for comparison."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from interlock.sinks._ports_old import Consumer, Message

# Makes a read_committed consumer of a group (None: of no group) with `enable.partition.eof` set, which is how a reader
# learns that only transaction markers follow.
ConsumerFactory = Callable[[str | None], Consumer]

# Longer than a broker takes to restart; then a person should know.
PATIENCE_SECONDS = 60.0

# One call of consume; the C library works in bulk.
BATCH = 10_000


def read(
    consumer: Consumer, topic: str, partitions: Iterable[int], start: int = OFFSET_BEGINNING
) -> Iterator[Sequence[Message]]:
    """The committed records of some partitions from offset `start` to now (a few later ones may follow), in batches.

    Raises KafkaException, also if Kafka does not deliver what it says it has.
    """
    ends = {}
    for number in partitions:
        first, end = consumer.get_watermark_offsets(TopicPartition(topic, number), PATIENCE_SECONDS)
        if max(first, start) < end:
            ends[number] = end
    consumer.assign([TopicPartition(topic, number, start) for number in ends])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while ends:
        messages = consumer.consume(BATCH, 0.2)
        if messages:
            deadline = time.monotonic() + PATIENCE_SECONDS
        elif time.monotonic() > deadline:
            silence = f"no message of {topic} {sorted(ends)} came within {PATIENCE_SECONDS:.0f} s"
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, silence))
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends.pop(message.partition(), None)
            else:
                raise KafkaException(error)
        if records:
            yield records
            latest = {message.partition(): message.offset() for message in records}
            ends = {number: end for number, end in ends.items() if latest.get(number, -1) < end - 1}


def committed(factory: ConsumerFactory, group: str, partitions: Mapping[str, int]) -> dict[tuple[str, int], int]:
    """The committed offset of every partition, 0 where there is none. Raises KafkaException."""
    consumer = factory(group)
    try:
        asked = [TopicPartition(topic, number) for topic, count in partitions.items() for number in range(count)]
        found = consumer.committed(asked, PATIENCE_SECONDS)
    finally:
        consumer.close()
    for one in found:
        if one.error is not None:
            raise KafkaException(one.error)
    return {(one.topic, one.partition): max(one.offset, 0) for one in found}
