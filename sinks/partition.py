"""What the writer holds of one assigned partition."""

from dataclasses import dataclass, field
from typing import Literal

from interlock.sinks.chunk import Chunk
from interlock.sinks.start import Start
from interlock.sinks.trail.stored import NO_ROW, LastRow
from interlock.streams.ports import Message, Partition

# unknown: Kafka has not been asked yet where to go on. gathering: no chunk is fixed. fixed: the next insert is `chunk`
# and nothing else. inserted: `chunk` is in ClickHouse, which Kafka does not know yet.
Stage = Literal["unknown", "gathering", "fixed", "inserted"]


@dataclass(slots=True)
class AssignedPartition:
    """`since`: when the oldest message came. `planned_at`: when this member last told Kafka of `chunk`.
    `failures`: how often inserting `chunk` failed. `next`: the first offset that is not inserted. `found`: `chunk` was
    there when the partition was assigned. `planned`: it was planned in Kafka then. `fill_to`: what comes before this
    offset was inserted once and is lost; `filled`: as many records of it have been inserted again. `last`: the last row
    before `next` (see `trail`)."""

    topic_partition: Partition
    stage: Stage = "unknown"
    chunk: Chunk | None = None
    planned_at: float | None = None
    failures: int = 0
    messages: list[Message] = field(default_factory=list)
    bytes: int = 0
    since: float | None = None
    # None: not known. librdkafka keeps the state of a partition that is revoked while paused, and when it comes back to
    # this member nothing of it is read until it is resumed.
    paused: bool | None = None
    next: int = 0
    found: bool = False
    planned: bool = False
    fill_to: int = 0
    filled: int = 0
    last: LastRow = NO_ROW

    def begin(self, start: Start, last: LastRow) -> None:
        """Goes on as `start` says, behind the row `last`, with nothing read yet."""
        self.clear()
        self.last = last
        self.next = start.begin
        self.chunk = start.chunk
        self.found = start.chunk is not None
        self.planned = start.planned
        self.fill_to = start.fill_to
        self.stage = "gathering" if start.chunk is None else "fixed"

    @property
    def may_be_stored(self) -> bool:
        """Whether ClickHouse may have rows of `chunk`, or roll-ups that count them."""
        return self.found or self.failures > 0 or self.fill_to > 0

    def add(self, message: Message, now: float) -> None:
        self.messages.append(message)
        self.bytes += len(message.value() or b"")
        if self.since is None:
            self.since = now

    def clear(self) -> None:
        """Forgets what was read."""
        self.messages = []
        self.bytes = 0
        self.since = None

    @property
    def incomplete(self) -> bool:
        """Whether a planned chunk has yet to be read to its end."""
        # Complete when its last record, or one behind it, has been read: compaction may have removed the last one.
        return (
            self.stage == "fixed"
            and self.chunk is not None
            and (not self.messages or int(self.messages[-1].offset()) < self.chunk.last)
        )

    def is_due(self, now: float, *, max_rows: int, max_bytes: int, seconds: float) -> bool:
        """Whether there is something to insert now: a whole chunk, or a part of one that is old enough."""
        if self.stage == "fixed":
            return not self.incomplete
        if self.stage != "gathering" or self.since is None:
            return False
        return len(self.messages) >= max_rows or self.bytes >= max_bytes or now - self.since >= seconds

    def fix(self, *, max_rows: int, max_bytes: int) -> None:
        """Cuts the next chunk; at least one message, however large."""
        count = min(len(self.messages), max_rows)
        if self.bytes > max_bytes:
            size = 0
            for index, message in enumerate(self.messages[:count]):
                size += len(message.value() or b"")
                if size > max_bytes and index:
                    count = index
                    break
        first, last = self.messages[0].offset(), self.messages[count - 1].offset()
        self.chunk = Chunk(*self.topic_partition, first, last)
        self.stage = "fixed"

    def of_chunk(self) -> list[Message]:
        """The messages of the fixed chunk."""
        assert self.chunk is not None
        return [message for message in self.messages if message.offset() <= self.chunk.last]

    def inserted(self, last: LastRow) -> None:
        """Drops the chunk's messages. `last`: the last row now."""
        assert self.chunk is not None
        self.last = last
        if self.fill_to and not self.found:
            self.filled += sum(message.offset() < self.fill_to for message in self.of_chunk())
        self.messages = [message for message in self.messages if message.offset() > self.chunk.last]
        self.bytes = sum(len(message.value() or b"") for message in self.messages)
        self.next = self.chunk.last + 1
        self.stage = "inserted"

    def done(self, now: float) -> int:
        """Kafka knows; the next chunk may be gathered. Returns the number of lost records that were filled in, once
        the last one was."""
        self.chunk = None
        self.planned_at = None
        self.failures = 0
        self.found = self.planned = False
        self.stage = "gathering"
        self.since = now if self.messages else None
        if not self.fill_to or self.next < self.fill_to:
            return 0
        filled, self.fill_to, self.filled = self.filled, 0, 0
        return filled
