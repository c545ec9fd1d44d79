"""One partition: its records, the transactions they belong to, and what readers may see."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from confluent_kafka import OFFSET_END, TIMESTAMP_CREATE_TIME

from interlock.streams.ports import Isolation

# Names may be bytes, as clients in other languages send them.
RawHeaders = Sequence[tuple[str | bytes, str | bytes | None]]

Outcome = Literal["open", "committed", "aborted"]


# Lengths, times and offsets of a record, and the lengths of a header, at their longest.
_RECORD_OVERHEAD, _HEADER_OVERHEAD = 36, 10


def record_size(key: bytes | None, value: bytes | None, headers: RawHeaders | None) -> int:
    """The bytes that a record takes at most, as librdkafka counts them."""
    named = sum(len(name) + len(data or b"") + _HEADER_OVERHEAD for name, data in headers or ())
    return len(key or b"") + len(value or b"") + named + _RECORD_OVERHEAD


@dataclass(eq=False, slots=True)
class Transaction:
    """What one producer writes between begin and commit or abort. Times in microseconds since the epoch."""

    transactional_id: str
    deadline: int
    outcome: Outcome = "open"
    logs: list["PartitionLog"] = field(default_factory=list)
    # (group, topic, partition) -> (offset, metadata)
    offsets: dict[tuple[str, str, int], tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of a log. Control records take an offset, as in Kafka, and are never seen by readers."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders | None
    timestamp: int  # milliseconds since the epoch
    timestamp_type: int  # of confluent_kafka: set by the producer or by the broker
    transaction: Transaction | None
    control: bool = False


class PartitionLog:
    """An append-only sequence of records; compaction leaves gaps in the offsets."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.start = 0
        self.end = 0
        self._records: list[Record] = []
        self._open: dict[Transaction, int] = {}  # first offset of each open transaction

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: RawHeaders | None,
        timestamp: int,
        transaction: Transaction | None,
        timestamp_type: int = TIMESTAMP_CREATE_TIME,
    ) -> int:
        """Adds a record, returns its offset."""
        if transaction is not None and transaction not in self._open:
            self._open[transaction] = self.end
            transaction.logs.append(self)
        return self._add(Record(self.end, key, value, headers, timestamp, timestamp_type, transaction))

    def mark(self, transaction: Transaction, timestamp: int) -> None:
        """Ends `transaction` here, with a control record."""
        del self._open[transaction]
        self._add(Record(self.end, None, None, None, timestamp, TIMESTAMP_CREATE_TIME, transaction, control=True))

    def _add(self, record: Record) -> int:
        self._records.append(record)
        self.end += 1
        return record.offset

    @property
    def stable_end(self) -> int:
        """The last stable offset: readers of committed records wait at the first open transaction."""
        return min(self._open.values(), default=self.end)

    def visible_end(self, isolation: Isolation) -> int:
        return self.stable_end if isolation == "read_committed" else self.end

    def read(self, offset: int, isolation: Isolation) -> Iterator[Record]:
        """What a reader at `offset` may see, in order."""
        end = self.visible_end(isolation)
        for at in range(bisect_left(self._records, offset, key=lambda record: record.offset), len(self._records)):
            record = self._records[at]
            if record.offset >= end:
                return
            aborted = record.transaction is not None and record.transaction.outcome == "aborted"
            if not record.control and not (aborted and isolation == "read_committed"):
                yield record

    def offset_at(self, timestamp: int) -> int:
        """The offset of the first record that is as late as `timestamp`; OFFSET_END if none is."""
        return next((record.offset for record in self._records if record.timestamp >= timestamp), OFFSET_END)

    def delete_before(self, offset: int) -> None:
        """What retention does, though not by time here."""
        self.start = offset
        self._records = [record for record in self._records if record.offset >= offset]

    def compact(self, *, drop_tombstones: bool = False) -> None:
        """Keeps the last visible record of every key below the last stable offset, like the log cleaner."""
        end = self.stable_end
        last = {record.key: record.offset for record in self.read(0, "read_committed")}
        kept = {
            record.offset
            for record in self.read(0, "read_committed")
            if last[record.key] == record.offset and not (drop_tombstones and record.value is None)
        }
        self._records = [r for r in self._records if r.offset >= end or r.offset in kept]
