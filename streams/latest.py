"""The latest records of a topic, newest first: a log is read forwards only, so it is read in windows from its end."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from confluent_kafka import TopicPartition

from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import TIMEOUT_SECONDS, read_range

# Offsets of a partition that are read at once: a page of a list, and not much that nobody asked for.
WINDOW = 200

# Records that are looked at for one page, however few of them are wanted: a second's reading.
MAX_LOOKED_AT = 20_000

_T = TypeVar("_T")

Places = Mapping[int, int]
"""By partition, the offset before which the next page begins."""


@dataclass
class _Partition(Generic[_T]):
    """`place`: before what was given out already; `floor`: before what was read; `first`: the oldest there is."""

    place: int
    floor: int
    first: int
    read: list[tuple[int, int, _T | None]] = field(default_factory=list)  # time, offset; the newest last


def latest(
    broker: Broker, topic: str, make: Callable[[Message], _T | None], limit: int, before: Places | None = None
) -> tuple[list[_T], dict[int, int] | None]:
    """What `make` makes of the latest committed records, without None, and where the next page begins; None: no more.

    In the order of each partition, and of their timestamps across partitions. Fewer than `limit` may come although
    there are more, where few are wanted. Raises KafkaException.
    """
    partitions: dict[int, _Partition[_T]] = _opened(broker, topic, before or {})
    found: list[_T] = []
    looked_at = 0
    while True:
        looked_at += _fill(broker, topic, partitions, make)
        if not any(each.read for each in partitions.values()):
            return found, None
        while all(each.read or each.floor <= each.first for each in partitions.values()):
            ready = [each for each in partitions.values() if each.read]
            if not ready:
                return found, None
            newest = max(ready, key=lambda each: each.read[-1][0])
            _, newest.place, row = newest.read.pop()
            if row is not None:
                found.append(row)
            if len(found) == limit:
                more = any(each.read or each.floor > each.first for each in partitions.values())
                return found, _places(partitions) if more else None
        if looked_at >= MAX_LOOKED_AT:
            return found, _places(partitions)


def _opened(broker: Broker, topic: str, before: Places) -> dict[int, _Partition[_T]]:
    ends = broker.end_offsets(topic)
    with closing(broker.consumer(None)) as consumer:
        firsts = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), TIMEOUT_SECONDS)[0] for number in ends
        }
    places = {number: min(end, before.get(number, end)) for number, end in ends.items()}
    return {number: _Partition(place, place, firsts[number]) for number, place in places.items()}


def _fill(
    broker: Broker, topic: str, partitions: Mapping[int, _Partition[_T]], make: Callable[[Message], _T | None]
) -> int:
    """Reads windows of partitions of which all was given out, until each has something or is at its beginning."""
    count = 0
    while empty := {n: each for n, each in partitions.items() if not each.read and each.floor > each.first}:
        starts = {(topic, n): max(each.first, each.floor - WINDOW) for n, each in empty.items()}
        records: Iterable[Message] = read_range(broker, starts, {(topic, n): each.floor for n, each in empty.items()})
        for record in records:
            count += 1
            row = (record.timestamp()[1], record.offset(), make(record))
            partitions[record.partition()].read.append(row)
        for (_, number), start in starts.items():
            partitions[number].floor = start
            if not partitions[number].read:
                partitions[number].place = start
    return count


def _places(partitions: Mapping[int, _Partition[_T]]) -> dict[int, int]:
    return {number: each.place for number, each in partitions.items()}
