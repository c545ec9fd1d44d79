"""Records that retention deleted before a group has read them.

A consumer whose committed offset is gone goes on at the oldest record that is left, without a word.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

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


def expired_records(asking: Consumer, committed: Sequence[TopicPartition], timeout: float) -> list[Expired]:
    """What is missing at the `committed` offsets of assigned partitions. Logs it. Raises KafkaException.

    `asking`: a consumer that reads nothing. What a reader asks is answered only after what it waits for.
    """
    known = [place for place in committed if place.offset >= 0]  # a new group reads what there is
    if not known:
        return []
    asked = [TopicPartition(place.topic, place.partition, OFFSET_BEGINNING) for place in known]
    found = []
    for place, oldest in zip(known, asking.offsets_for_times(asked, timeout), strict=True):
        if oldest.error is not None:
            raise KafkaException(oldest.error)
        start = oldest.offset
        if start - place.offset > MARKER:
            missing = Expired((place.topic, place.partition), place.offset, start - place.offset)
            log.error(
                "%d records of %s[%d] expired unread: reading goes on at offset %d instead of %d",
                *(missing.count, place.topic, place.partition, start, place.offset),
            )
            found.append(missing)
    return found
