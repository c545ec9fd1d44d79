"""The exactly-once writer from Kafka to ClickHouse.

A chunk is a range of offsets of one partition, inserted at once. Each goes through three steps, and a crash before,
in or after any of them changes nothing in the result:

1. PLAN. Commit to Kafka the offset of the chunk's first record, with first and last offset as metadata. One commit for
   the chunks of all partitions. From here on this chunk, and no other, comes next in its partition.
2. INSERT. Send the chunk to ClickHouse under the token `log/topic/partition/first-last`. Tables and roll-ups remember
   tokens: a chunk they have is acknowledged and dropped, and one that got stuck half-way through is completed.
3. DONE. Commit the offset after the chunk, without metadata.

The next owner of the partition reads the committed offset. With a plan beside it, exactly that chunk is read and
inserted again, under the same token; without one, reading goes on at the offset. What was read but not planned may be
thrown away at any time: it is read again.

*Why two commits.* Chunks cut at multiples of some offset would be as repeatable without a plan, but could not be
flushed by time: the last records before a quiet hour would wait for the hour's end, or be inserted under a range that
depends on the moment of the flush.

*Two writers at once.* Kafka refuses the commit of a member that has lost its partition, so it cannot plan. It may
still insert what it planned before: that is the chunk its successor inserts, under the same token, with the same rows.
A member that has been frozen must not wake up and insert a chunk whose token ClickHouse has forgotten; therefore a plan
is committed again if it is older than `MAX_PLAN_AGE_SECONDS`, a time within which ClickHouse surely remembers.

*If either side forgets.* Every row carries the chunk it was inserted with, and ClickHouse is asked for its last chunk
of a partition before the first insert; `positions` and `start` compare that with what Kafka says. A token is not relied
on for what lies back further than a moment: of a chunk that was found, or whose insert failed, the rows are compared
with Kafka's records first, and what is missing is inserted (`Warehouse.complete`).

*Gaps.* Transaction markers and aborted records take offsets and are never seen, by any reader: a chunk is the same
for everyone. Compaction may remove records of a planned chunk before it is repeated. If the first attempt got through,
the repetition is dropped and ClickHouse has more than Kafka now has; if not, what Kafka forgot is in neither.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import structlog
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.encryption.keys import KeyStore
from interlock.errors import UnavailableError
from interlock.schemas import catalogue
from interlock.sinks.failures import SinkStoppedError, advice, text
from interlock.sinks.partition import AssignedPartition
from interlock.sinks.positions import REQUEST_TIMEOUT_SECONDS, find_starts, read_committed
from interlock.sinks.trail.anchors import ChainName
from interlock.sinks.warehouse import Stored, Warehouse
from interlock.streams.backoff import Backoff
from interlock.streams.expired import Expired, expired_records
from interlock.streams.ports import Broker, Partition

log = structlog.get_logger()

TOPICS = tuple(topic.name for topic in catalogue.STORED_TOPICS)

# Far below the eight minutes for which ClickHouse surely remembers a token (see migrations/0001), and long enough not
# to be felt: a chunk is inserted within a second of its plan.
MAX_PLAN_AGE_SECONDS = 30.0

# A consumer that does not poll for five minutes (max.poll.interval.ms) loses its partitions. However slow ClickHouse
# is, inserting stops after this time to poll, and goes on afterwards.
MAX_INSERT_SECONDS = 30.0

# While ClickHouse stores one chunk, the next is decoded. More would only make ClickHouse busier.
MAX_CONCURRENT_INSERTS = 2

# An upper limit to how long a stop has to wait.
MAX_POLL_SECONDS = 0.5

# A restart of ClickHouse costs little, one that is back is used soon, and one that is overwhelmed gets room.
LEAST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

# Errors of the database, or of the key store, that time or an operator mends; the chunk stays planned meanwhile. None
# of them stops the sink: an operator who has mended it need not think of the sink as well. What cannot be read becomes
# a row that says so.
DATABASE_ERRORS = (ClickHouseError, OSError, UnavailableError)

_CONSEQUENCE = "tried again until it does; nothing is lost"


class Metrics(Protocol):
    """Where the writer counts."""

    def add(self, name: Literal["messages_in", "batches", "unavailable"], amount: float = 1) -> None: ...
    def set(self, name: Literal["lag", "assigned_partitions"], value: float) -> None: ...


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """`stream_ids`: for every topic an id that changes when the topic is created again, because offsets then begin
    again: Kafka's topic id. `flush_seconds`: how long a row may wait for others."""

    stream_ids: Mapping[str, str]
    # ClickHouse likes few large inserts; a second is what a person at a dashboard does not notice.
    flush_seconds: float = 1.0
    # One insert. Beyond some ten thousand rows ClickHouse gets hardly faster by the row (measured).
    max_rows: int = 50_000
    # The values of one insert: 25,000 decisions of a common size. ClickHouse takes six times that in memory (measured:
    # 47 MiB), and the embedded engine, which has two inserts and two merges at a time, has to do with 320 MiB.
    max_bytes: int = 8 * 1024 * 1024
    # All values held: two dozen partitions may each hold a chunk, and Python and decoding multiply it by four.
    max_buffered_bytes: int = 64 * 1024 * 1024
    # One call of consume: enough for the C library to work in bulk, a fifth of a chunk.
    max_consumed: int = 10_000


class SinkWriter:
    """Copies topics to ClickHouse. Not for several threads; use either `run` or `step` and `close`."""

    def __init__(
        self,
        broker: Broker,
        client: Client,
        settings: SinkSettings,
        *,
        group: str = catalogue.SINK_GROUP,
        consumer_overrides: Mapping[str, Any] | None = None,
        topics: Iterable[str] = TOPICS,
        metrics: Metrics | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        executor: Executor | None = None,
        on_expired: Callable[[list[Expired]], None] = lambda _: None,
        keys: KeyStore | None = None,
    ) -> None:
        """`client`: without a session, because two threads use it,
        and with a timeout well below five minutes. `executor`: where inserts run; None: threads of its own.
        `on_expired` is told of records that were deleted before they were read. `keys` seal the rows; None: rows are
        stored as they are."""
        self._broker = broker
        self._consumer = broker.consumer(group, overrides=consumer_overrides)
        self._on_expired = on_expired
        self._warehouse = Warehouse(client, dict(settings.stream_ids), keys)
        self._settings = settings
        self._metrics = metrics
        self._monotonic = monotonic
        self._executor = executor or ThreadPoolExecutor(MAX_CONCURRENT_INSERTS, thread_name_prefix="sink")
        self._partitions: dict[Partition, AssignedPartition] = {}
        self._moved = True  # since the lag was counted
        self._database = _backoff("ClickHouse", monotonic)
        self._kafka = _backoff("Kafka", monotonic)
        self._consumer.subscribe(
            list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def run(self, stop: threading.Event, after_step: Callable[[bool], None] = lambda _: None) -> None:
        """Steps until `stop` is set, then inserts what is there and leaves the group. Raises SinkStoppedError.

        `after_step`: called after every step, with True after the last one, and with the partitions still assigned."""
        try:
            while not stop.is_set():
                self.step()
                after_step(False)
            # Once, without waiting: what cannot be inserted now is read again after the restart.
            self._flush(everything=True)
            after_step(True)
        finally:
            self.close()

    def close(self) -> None:
        """Leaves the group; the next owner reads again what is not inserted."""
        self._consumer.close()
        self._executor.shutdown()

    def step(self) -> None:
        """Reads what is there and inserts what is due. Raises SinkStoppedError."""
        self._read()
        self._adopt()
        self._flush()
        self._hold_back()

    @property
    def idle(self) -> bool:
        """Whether everything that was read is in ClickHouse, and Kafka knows."""
        return all(
            partition.stage == "gathering" and not partition.messages and not partition.fill_to
            for partition in self._partitions.values()
        )

    @property
    def heads(self) -> dict[ChainName, tuple[int, bytes]]:
        """The last row of every chain that this sink goes on with: offset and link."""
        return {
            (self._settings.stream_ids[partition.topic_partition[0]], *partition.topic_partition): partition.last
            for partition in self._partitions.values()
            if partition.stage != "unknown" and partition.last.offset >= 0
        }

    @property
    def buffered_bytes(self) -> int:
        """Values held, in bytes."""
        return sum(partition.bytes for partition in self._partitions.values())

    def _read(self) -> None:
        messages = self._consumer.consume(self._settings.max_consumed, self._poll_seconds())
        self._moved = self._moved or bool(messages)
        now = self._monotonic()
        for message in messages:
            error = message.error()
            if error is None:
                # A partition may have been revoked by the very call that delivers its last messages.
                partition = self._partitions.get((message.topic(), message.partition()))
                if partition is not None:
                    partition.add(message, now)
            elif error.fatal():
                raise SinkStoppedError(f"Kafka refuses this consumer for good: {error.str()}")
            elif error.code() != KafkaError._PARTITION_EOF:
                log.warning("error while reading; the client goes on trying", error=error.str())

    def _poll_seconds(self) -> float:
        """How long to wait for messages: not beyond the moment at which something is due."""
        pause = max(self._database.remaining(), self._kafka.remaining())
        if pause:
            return min(MAX_POLL_SECONDS, pause)
        if any(partition.stage == "unknown" for partition in self._partitions.values()):
            return 0.0
        now = self._monotonic()
        times = [partition.since for partition in self._partitions.values() if partition.since is not None]
        oldest = min(times, default=now)
        return min(MAX_POLL_SECONDS, max(0.0, oldest + self._settings.flush_seconds - now))

    # Assignment

    def _on_assign(self, _: Any, partitions: list[TopicPartition]) -> None:
        for assigned in partitions:
            partition = assigned.topic, assigned.partition
            self._partitions[partition] = AssignedPartition(partition)
        self._moved = True

    def _on_revoke(self, _: Any, partitions: list[TopicPartition]) -> None:
        for revoked in partitions:
            self._partitions.pop((revoked.topic, revoked.partition), None)
        self._moved = True

    def _adopt(self) -> None:
        """Finds out how far new partitions are. Nothing is inserted of a partition before that is known."""
        new = [partition for partition in self._partitions.values() if partition.stage == "unknown"]
        if not new or not (self._kafka.is_due and self._database.is_due):
            return
        try:
            committed = read_committed(self._consumer, [partition.topic_partition for partition in new])
            with closing(self._broker.consumer(None)) as asking:
                expired = expired_records(asking, committed, REQUEST_TIMEOUT_SECONDS)
                starts = find_starts(asking, self._warehouse, committed)
            lasts = self._warehouse.last_rows(
                [(partition.topic_partition, start.begin) for partition, start in zip(new, starts, strict=True)]
            )
            for partition, start, last in zip(new, starts, lasts, strict=True):
                # The call of consume that assigned the partition may also have delivered records from before, when it
                # was assigned already; they cannot be told from new ones.
                if partition.messages or start.ahead or start.fill_to:
                    self._consumer.seek(TopicPartition(*partition.topic_partition, start.begin))
                partition.begin(start, last)
            if expired:
                self._on_expired(expired)
            self._kafka.succeeded()
        except KafkaException as error:
            self._kafka_failed(error)
        except DATABASE_ERRORS as error:
            self._count("unavailable")
            self._database_failed(error)

    # The three steps

    def _flush(self, *, everything: bool = False) -> None:
        """Inserts what is due. Of what was read more may be left than one chunk: it follows at once, because to hold
        back a partition throws away what the client has fetched of it."""
        started = self._monotonic()
        while self._kafka.is_due and self._database.is_due:
            due = self._due(everything=everything)
            if self._plan(due):
                self._insert(due)
                self._done()
            if self._moved or due:
                self._count_lag()
                self._moved = False
            if everything or not due or self._monotonic() - started > MAX_INSERT_SECONDS:
                return

    def _due(self, *, everything: bool) -> list[AssignedPartition]:
        now = self._monotonic()
        full = self.buffered_bytes > self._settings.max_buffered_bytes
        seconds = 0.0 if everything or full else self._settings.flush_seconds
        limits = {"max_rows": self._settings.max_rows, "max_bytes": self._settings.max_bytes}
        due = [partition for partition in self._partitions.values() if partition.is_due(now, seconds=seconds, **limits)]
        for partition in due:
            if partition.stage == "gathering":
                partition.fix(**limits)
        # What failed goes last, so that a chunk which ClickHouse refuses does not stop the others.
        return sorted(due, key=lambda partition: partition.failures)

    def _plan(self, due: list[AssignedPartition]) -> bool:
        """Whether Kafka knows of every chunk in `due`, and that this member is in charge of it."""
        now = self._monotonic()
        unplanned = [
            partition
            for partition in due
            if partition.planned_at is None or now - partition.planned_at > MAX_PLAN_AGE_SECONDS
        ]
        plans = []
        for partition in unplanned:
            assert partition.chunk is not None
            chunk = partition.chunk
            plans.append(TopicPartition(*chunk.topic_partition, chunk.first, chunk.metadata()))
        if not self._commit(plans):
            return False
        for partition in unplanned:
            partition.planned_at = now
        return True

    def _insert(self, due: list[AssignedPartition]) -> None:
        """Inserts until all is in, something fails, or it is time to poll. Nothing is under way when it returns:
        rebalances come while polling, and find every chunk either in ClickHouse or not."""
        started = self._monotonic()
        failed: Exception | None = None
        waiting = deque(due)
        under_way: dict[Future[Stored], AssignedPartition] = {}
        while waiting or under_way:
            while waiting and len(under_way) < MAX_CONCURRENT_INSERTS:
                partition = waiting.popleft()
                under_way[self._submit(partition)] = partition
            finished, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in finished:
                partition = under_way.pop(future)
                try:
                    stored = future.result()
                except DATABASE_ERRORS as error:
                    failed = error
                    partition.failures += 1
                    self._count("unavailable")
                else:
                    self._count("messages_in", stored.count)
                    self._count("batches")
                    partition.inserted(stored.last)
            if failed is not None or self._monotonic() - started > MAX_INSERT_SECONDS:
                waiting.clear()
        if failed is not None:
            self._database_failed(failed)
        elif due:
            self._database.succeeded()

    def _submit(self, partition: AssignedPartition) -> Future[Stored]:
        assert partition.chunk is not None
        messages = partition.of_chunk()
        if partition.may_be_stored:
            planned = partition.failures > 0 or partition.planned
            return self._executor.submit(
                self._warehouse.complete, partition.chunk, messages, partition.last, planned=planned
            )
        return self._executor.submit(self._warehouse.insert, partition.chunk, messages, partition.last)

    def _done(self) -> None:
        inserted = [partition for partition in self._partitions.values() if partition.stage == "inserted"]
        offsets = []
        for partition in inserted:
            assert partition.chunk is not None
            offsets.append(TopicPartition(*partition.topic_partition, partition.chunk.last + 1))
        if self._commit(offsets):
            for partition in inserted:
                filled = partition.done(self._monotonic())
                if filled:
                    topic, number = partition.topic_partition
                    log.warning("what ClickHouse had lost is back", topic=topic, partition=number, records=filled)

    def _commit(self, offsets: list[TopicPartition]) -> bool:
        """Whether Kafka took all of `offsets`. If not, they stay what they are and are tried again in a later step;
        the calls of `consume` in between tell which partitions are lost, and those are forgotten."""
        if not offsets:
            return True
        try:
            for result in self._consumer.commit(offsets=offsets, asynchronous=False):
                if result.error is not None:
                    raise KafkaException(result.error)
        except KafkaException as error:
            if error.args[0].fatal():
                raise SinkStoppedError(f"Kafka refuses this consumer for good: {text(error)}") from error
            self._kafka_failed(error)
            return False
        self._kafka.succeeded()
        return True

    # Failures

    def _kafka_failed(self, error: KafkaException) -> None:
        self._kafka.failed(f"Kafka does not serve the sink: {text(error)}", _CONSEQUENCE, kind="")

    def _database_failed(self, error: Exception) -> None:
        # ClickHouse words one failure in many ways: with amounts of memory, names of parts, and so on.
        hint = advice(error)
        self._database.failed(f"ClickHouse does not take rows: {text(error)}{hint}", _CONSEQUENCE, kind=hint)

    # Backpressure

    def _hold_back(self) -> None:
        """Stops reading what cannot be inserted soon, and goes on polling, which keeps the member in its group."""
        too_much = self.buffered_bytes > self._settings.max_buffered_bytes
        for partition in self._partitions.values():
            full = len(partition.messages) >= self._settings.max_rows or partition.bytes >= self._settings.max_bytes
            # A planned chunk must be read to its end, or it could never be inserted.
            pause = (too_much or full) and not partition.incomplete
            if pause != partition.paused:
                change = self._consumer.pause if pause else self._consumer.resume
                change([TopicPartition(*partition.topic_partition)])
                partition.paused = pause

    def _count(self, name: Literal["messages_in", "batches", "unavailable"], amount: float = 1) -> None:
        if self._metrics is not None:
            self._metrics.add(name, amount)

    def _count_lag(self) -> None:
        if self._metrics is None:
            return
        lag = 0
        for partition in self._partitions.values():
            # From memory, without a request; what is not known yet is negative.
            name = TopicPartition(*partition.topic_partition)
            first, end = self._consumer.get_watermark_offsets(name, cached=True)
            lag += max(0, end - max(first, partition.next))
        self._metrics.set("lag", lag)
        self._metrics.set("assigned_partitions", len(self._partitions))


def _backoff(what: str, monotonic: Callable[[], float]) -> Backoff:
    return Backoff(
        what,
        least_seconds=LEAST_PAUSE_SECONDS,
        first_seconds=2 * LEAST_PAUSE_SECONDS,
        longest_seconds=LONGEST_PAUSE_SECONDS,
        monotonic=monotonic,
    )
