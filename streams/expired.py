"""Records that retention deleted before a group has read them.

A consumer whose committed offset is gone goes on at the oldest record that is left, without a word.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from interlock.streams.ports import Consumer, Partition
from interlock.streams.progress import MARKER

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Expired:
    """`committed`: where the group would have gone on. `count`: offsets from there to the oldest record that is left;
    transaction markers are counted too."""

    partition: Partition
    committed: int
    count: int


def expired_records(consumer: Consumer, committed: Sequence[TopicPartition], timeout: float) -> list[Expired]:
    """What is missing at the `committed` offsets of assigned partitions. Logs it. Raises KafkaException."""
    found = []
    for place in committed:
        if place.offset < 0:  # a new group reads what there is
            continue
        start, _ = consumer.get_watermark_offsets(TopicPartition(place.topic, place.partition), timeout)
        if start - place.offset > MARKER:
            missing = Expired((place.topic, place.partition), place.offset, start - place.offset)
            log.error(
                "%d records of %s[%d] expired unread: reading goes on at offset %d instead of %d",
                *(missing.count, place.topic, place.partition, start, place.offset),
            )
            found.append(missing)
    return found
