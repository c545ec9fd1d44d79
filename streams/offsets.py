"""How far consumer groups have come."""

from collections.abc import Mapping
from contextlib import closing

from confluent_kafka import KafkaException, TopicPartition

from interlock.streams.ports import Broker, Partition
from interlock.streams.ranges import TIMEOUT_SECONDS


def committed_offsets(broker: Broker, group: str, partitions: Mapping[str, int]) -> dict[Partition, int]:
    """The committed offset of every partition, 0 where there is none.

    `partitions`: how many each topic has. Raises KafkaException.
    """
    wanted = [TopicPartition(topic, number) for topic, count in partitions.items() for number in range(count)]
    with closing(broker.consumer(group)) as consumer:
        answers = consumer.committed(wanted, TIMEOUT_SECONDS)
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)
    return {(answer.topic, answer.partition): max(answer.offset, 0) for answer in answers}
