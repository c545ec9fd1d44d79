"""Compacted topics as tables: read completely at the start, then followed.

Read without a group, because every instance needs every record.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.streams.consuming import records_of
from interlock.streams.new_partitions import NewPartitions
from interlock.streams.ports import Broker, Consumer, Message, Partition
from interlock.streams.ranges import BATCH_SIZE, FIRST_OFFSET, READ_ONCE, RangeReader

_Read = TypeVar("_Read")

# A cluster that has just started may be electing leaders for this long.
_TIMEOUT_SECONDS = 30.0

# Of who follows the same partitions for long: the broker answers as soon as there is a record, or after so long. With
# the default (0.5 s) a dozen tables at rest cost it as much as everything else that it does for an idle instance. A
# broker that vanished without a word is noticed a minute after that (socket.timeout.ms).
FOLLOWING: Mapping[str, Any] = {"fetch.wait.max.ms": 10_000}


class TableReader:
    """Follows compacted topics under read_committed. Not for several threads."""

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        *,
        last: int | None = None,
        since: int | None = None,
        once: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`last`: only that many offsets of each partition, to see what was written lately. Transaction markers and
        aborted records take offsets too, so that fewer records may come. `once`: nobody calls `poll`.

        Raises KafkaException if a topic does not exist: a missing table must not be taken for an empty one.
        """
        states = broker.topic_states(topics)
        missing = [name for name in topics if name not in states]
        if missing:
            absent = f"topic {', '.join(missing)} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        ends = {(name, number): end for name in topics for number, end in broker.end_offsets(name).items()}
        starts = {
            partition: FIRST_OFFSET if last is None else max(FIRST_OFFSET, end - last)
            for partition, end in ends.items()
        }
        self._broker = broker
        self._once = once
        self._monotonic = monotonic
        self._consumer: Consumer | None = broker.consumer(None, overrides=READ_ONCE)
        if since is not None:
            places = [TopicPartition(*partition, since) for partition in starts]
            found = self._consumer.offsets_for_times(places, _TIMEOUT_SECONDS)
            since_then = {(each.topic, each.partition): each.offset for each in found}
            # Where nothing is as late, the offset is negative.
            starts = {
                partition: max(start, since_then[partition]) if since_then[partition] >= 0 else ends[partition]
                for partition, start in starts.items()
            }
        self._reader = RangeReader(self._consumer, starts, ends, follow=True)
        self._places = self._reader.positions
        self._new_partitions: NewPartitions | None = None

    def read_all(self, timeout: float = _TIMEOUT_SECONDS) -> list[Message]:
        """Everything that was there when this object was made, and what came along since, oldest first per partition.
        Call once, before `poll`, or not at all.

        `timeout`: seconds without a record. Raises KafkaException.
        """
        return [record for part in self.read_parts(timeout) for record in part]

    def read_parts(self, timeout: float = _TIMEOUT_SECONDS) -> Iterator[Sequence[Message]]:
        """The same in parts, for tables that are larger than what is kept of them."""
        self._reader.timeout = timeout
        yield from self._reader.batches()
        if self._once:
            self.close()
        else:
            self._new_partitions = self._follow()

    def poll(self, seconds: float = 0.0) -> list[Message]:
        """What has come since, also in partitions that were added meanwhile. Returns at once, or waits for so many
        seconds until something comes.

        Records come in the background from the end of reading on: who polls seldom gets all of them at once.
        """
        if self._new_partitions is None:
            self._new_partitions = self._follow()
        elif new := self._new_partitions.find():
            self._new_partitions = self._follow(new)
        assert self._consumer is not None
        # One message ends the wait; asking for more would wait until they are there.
        first = self._consumer.consume(1, seconds) if seconds else []
        return [message for part in (first, self._consumer.consume(BATCH_SIZE, 0)) for message in records_of(part)]

    def _follow(self, new: Collection[Partition] = ()) -> NewPartitions:
        """Goes on, where reading has ended and at the beginning of `new` ones, with a consumer that lets the broker
        wait. That of the reading would go on asking for the end of the partitions, many times a second; one that waits
        already would ask for new ones only after that."""
        assert self._consumer is not None
        for place in self._consumer.position([TopicPartition(*partition) for partition in self._places]):
            if place.offset >= 0:
                self._places[place.topic, place.partition] = place.offset
        self._places.update(dict.fromkeys(new, FIRST_OFFSET))
        self._consumer.close()
        self._consumer = self._broker.consumer(None, overrides=FOLLOWING)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in sorted(self._places.items())])
        return NewPartitions(self._broker, self._consumer, self._places, self._monotonic)

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def newest(broker: Broker, topic: str, read: Callable[[str, bytes], _Read]) -> dict[str, _Read]:
    """A compacted topic as it stands: what `read` makes of key and value of the newest record of each key.

    A record of which `read` raises ValueError leaves the one before in force. Raises KafkaException.
    """
    found: dict[str, _Read] = {}
    with closing(TableReader(broker, [topic], once=True)) as reader:
        for message in reader.read_all():
            key, value = (message.key() or b"").decode(errors="replace"), message.value()
            if value is None:
                found.pop(key, None)
                continue
            with suppress(ValueError):
                found[key] = read(key, value)
    return found
