"""Records that wait until another topic has been read far enough, because what stands there comes before them."""

import logging
from collections import deque
from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from confluent_kafka import KafkaException, TopicPartition

from interlock.streams.ports import Consumer, Message, Partition

log = logging.getLogger(__name__)

# A round trip; the next step repeats a request that was not answered.
_REQUEST_TIMEOUT_SECONDS = 5.0


@dataclass(slots=True)
class _Held:
    """Records that wait until the partition `other` has been read up to `end`; None: it is not known yet."""

    other: Partition
    end: int | None = None
    messages: deque[Message] = field(default_factory=deque)


class Holding:
    """How far partitions have been read, and which of them are held: one record waits, and those behind it."""

    def __init__(self, consumer: Consumer, group: str) -> None:
        self._consumer = consumer
        self._group = group
        self._read_to: dict[Partition, int] = {}
        self._held: dict[Partition, _Held] = {}

    @property
    def partitions(self) -> Set[Partition]:
        """Those that are held."""
        return self._held.keys()

    def reached(self, partition: Partition, offset: int) -> None:
        """The next record to be read has this offset or a later one; records that were held tell of earlier ones."""
        self._read_to[partition] = max(offset, self._read_to.get(partition, offset))

    def add_if_held(self, message: Message) -> bool:
        """Whether it waits now, behind others of its partition."""
        held = self._held.get((message.topic(), message.partition()))
        if held is None:
            return False
        held.messages.append(message)
        return True

    def hold(self, message: Message, topic: str, assigned: Set[Partition], *, for_sure: bool) -> bool:
        """Whether `message` waits now until the partition of `topic` that belongs to it has been read.

        `for_sure`: up to the end that Kafka tells. Otherwise what is known without asking will do: a round trip for
        each of many records would take long.
        """
        # Records with the same key have the same partition number on every topic.
        other = (topic, message.partition())
        if other not in assigned:
            log.warning("%s[%d] is read by another member of %s: its order is not kept", *other, self._group)
            return False
        if not for_sure and self._has_read(other):
            return False
        self._held[message.topic(), message.partition()] = _Held(other, messages=deque([message]))
        return True

    def opened(self) -> Iterator[deque[Message]]:
        """The records of each partition that need not wait any more; the others waited for the first of them."""
        for partition, held in list(self._held.items()):
            if held.end is None:
                held.end = self._end_of(held.other)
            if held.end is not None and self._read_to.get(held.other, -1) >= held.end and held.other not in self._held:
                del self._held[partition]
                yield held.messages

    def lag(self, partition: Partition) -> int:
        """Records of the partition that are unread or held, as far as is known without asking."""
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        held = len(self._held[partition].messages) if partition in self._held else 0
        return held + max(0, end - self._read_to.get(partition, end))

    def drop(self, partition: Partition) -> None:
        """It is not read here any more."""
        self._read_to.pop(partition, None)
        self._held.pop(partition, None)

    def _has_read(self, partition: Partition) -> bool:
        _, end = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        return 0 <= end <= self._read_to.get(partition, -1) and partition not in self._held

    def _end_of(self, partition: Partition) -> int | None:
        # A record that caused another was committed before it: it lies before the end that is visible now.
        try:
            return self._consumer.get_watermark_offsets(TopicPartition(*partition), _REQUEST_TIMEOUT_SECONDS)[1]
        except KafkaException as error:
            log.warning("%s: the end of %s[%d] is not known: %s", self._group, *partition, error.args[0].str())
            return None
