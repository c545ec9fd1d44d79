"""Reading partitions from an offset to an end.

Ends are recognised by offsets and by end-of-partition events. Offsets alone do not do, because the last ones of a
partition may belong to transaction markers and aborted records, which no reader ever sees; events alone do not do,
because none comes from a partition that is written at every moment.
"""

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.streams.consuming import records_of
from interlock.streams.ports import Broker, Consumer, Message, Partition

# Consumer settings without which a reader cannot tell that a partition has ended.
READ_TO_END: Mapping[str, Any] = {"enable.partition.eof": True}

# For who reads once and does not follow. Behind the last record stands the marker of its transaction, and where the log
# ends there, the broker would keep back for 0.5 s the answer that there is nothing more.
READ_ONCE: Mapping[str, Any] = {**READ_TO_END, "fetch.wait.max.ms": 20}

# Longer than a broker takes to restart; then a person should know.
TIMEOUT_SECONDS = 60.0

# One call of consume; the C library works in bulk.
BATCH_SIZE = 10_000

# Where a whole partition begins. Not OFFSET_BEGINNING, which librdkafka would first ask for, and wait 0.5 s (measured).
# Should this offset be gone, the reset policy leads to the oldest record all the same.
FIRST_OFFSET = 0

# An end-of-partition event does not end a call of consume that still wants messages: it returns after this time.
_POLL_INTERVAL_SECONDS = 0.1


class RangeReader:
    """Reads some partitions once. Not for several threads."""

    def __init__(
        self,
        consumer: Consumer,
        starts: Mapping[Partition, int],
        ends: Mapping[Partition, int],
        *,
        follow: bool = False,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        """Assigns `consumer`, which MUST be made with READ_TO_END, to the partitions of `starts`.

        `starts`: the first offset of each partition; if it no longer exists, reading begins at the oldest record.
        `ends`: the offset after the last one wanted. `follow`: the caller goes on with `consumer` where reading has
        ended, so that records from the ends on are given too where they come along. `timeout`: seconds without a
        record after which reading fails; a cluster that has just started may be electing leaders.
        """
        self._consumer = consumer
        self._ends = ends
        self._follow = follow
        self.timeout = timeout
        self._silent_polls = 0
        self.positions = dict(starts)
        """Where to go on: after the last record that was read, or at the end, behind what stands there unseen."""
        self.unread = {partition for partition, start in starts.items() if max(0, start) < ends[partition]}
        """Partitions that have not been read to their end."""
        assigned = starts if follow else self.unread
        consumer.assign([TopicPartition(*partition, starts[partition]) for partition in sorted(assigned)])

    def read(self, max_records: int) -> Sequence[Message]:
        """The next records of any partition, up to `max_records`; maybe none, which does not mean the end.

        Raises KafkaException, also if Kafka does not deliver what it has.
        """
        messages = self._consumer.consume(max_records, _POLL_INTERVAL_SECONDS)
        records = records_of(messages, on_end=self._reached_end)
        self._silent_polls = 0 if records else self._silent_polls + 1
        if records:
            records = self._wanted(records)
        # Counted in polls and not by a clock: a reader must not give up because its machine stood still for a while.
        if self.unread and self._silent_polls >= max(1, round(self.timeout / _POLL_INTERVAL_SECONDS)):
            names = ", ".join(f"{topic}[{number}]" for topic, number in sorted(self.unread))
            reason = f"{names} could not be read to the end within {self.timeout:g} s: is Kafka reachable?"
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, reason))
        return records

    def batches(self, stop: threading.Event | None = None) -> Iterator[Sequence[Message]]:
        """Everything, as it comes. Ends early when `stop` is set. Raises as `read` does."""
        while self.unread and not (stop is not None and stop.is_set()):
            records = self.read(BATCH_SIZE)
            if records:
                yield records

    def _reached_end(self, event: Message) -> None:
        partition = event.topic(), event.partition()
        if partition in self.unread:
            self._finish(partition)

    def _wanted(self, records: Sequence[Message]) -> Sequence[Message]:
        """Those before the ends, or all of them for a caller who follows."""
        ends = self._ends
        latest = {(record.topic(), record.partition()): record.offset() for record in records}
        past_end = [partition for partition, offset in latest.items() if offset >= ends[partition]]
        if past_end and not self._follow:
            records = [record for record in records if record.offset() < ends[record.topic(), record.partition()]]
        for partition, offset in latest.items():
            if offset + 1 >= ends[partition]:
                self._finish(partition)
            elif partition in self.unread:
                self.positions[partition] = offset + 1
        return records

    def _finish(self, partition: Partition) -> None:
        self.unread.discard(partition)
        self.positions[partition] = self._ends[partition]


def read_range(
    broker: Broker,
    starts: Mapping[Partition, int],
    ends: Mapping[Partition, int],
    *,
    timeout: float = TIMEOUT_SECONDS,
    stop: threading.Event | None = None,
) -> Generator[Message]:
    """Committed records of some partitions from `starts` to before `ends`, in the order of each partition.

    Ends early when `stop` is set. Raises KafkaException.
    """
    with closing(read_batches(broker, starts, ends, timeout=timeout, stop=stop)) as batches:
        for records in batches:
            yield from records


def read_batches(
    broker: Broker,
    starts: Mapping[Partition, int],
    ends: Mapping[Partition, int],
    *,
    timeout: float = TIMEOUT_SECONDS,
    stop: threading.Event | None = None,
) -> Generator[Sequence[Message]]:
    """The same as `read_range`, in parts."""
    with closing(broker.consumer(None, overrides=READ_ONCE)) as consumer:
        yield from RangeReader(consumer, starts, ends, timeout=timeout).batches(stop)


def read_topic(broker: Broker, topic: str, *, timeout: float = TIMEOUT_SECONDS) -> Iterator[Sequence[Message]]:
    """Every committed record that a topic has now, in batches. Raises KafkaException."""
    ends = {(topic, number): end for number, end in broker.end_offsets(topic).items()}
    yield from read_batches(broker, dict.fromkeys(ends, FIRST_OFFSET), ends, timeout=timeout)
