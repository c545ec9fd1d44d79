"""The exactly-once runner: consume, process, and commit outputs and input offsets in one Kafka transaction.

Under load, while one transaction commits in a helper thread, which only waits in C, the next batch is already read
and processed; it is written only after the commit is known to have succeeded. Measured: 0.75 of the raw pass-through,
0.68 without. When the batches are small nothing is read before the commit is known: what is read early waits longest,
for the rest of one commit and the whole of the next (p50 90 ms instead of 50 ms at 10,000 messages a second).

A step:

    1. recovers from the failures of earlier steps (`interlock.streams.recovery`);
    2. waits for a record where none came before, and lets `before_batch` change the processor's state;
    3. consumes; rebalance callbacks run in here and wait for the commit in flight;
    4. processes;
    5. waits for the commit in flight; if it failed, drops the batch, which is read again;
    6. takes positions and group metadata, in this thread (in another it would hang), begins a transaction, writes the
       outputs, and hands the commit to the helper.

Whenever `consume` is called, nothing but the commit in flight is unfinished: a rebalance never finds a batch that
is processed but not written. After a revocation what `consume` returns is dropped and the next step rewinds,
because it may hold records of partitions that have just gone; seeking inside the callback would not help that.

Fencing. An older run of the *same* instance is fenced by the transactional id, `group-instance`, which must be
unique among running instances and stable over restarts: a restart then ends the open transaction of the last run,
without waiting for its time-out. *Another* instance that has lost its partitions and does not know it is fenced by the
group metadata in each transaction (KIP-447), so that no transactional id per partition is needed.

State. A processor whose state `process` changes needs `restore`, which rebuilds that state from what was committed.
It is called whenever something processed may have been dropped or another instance may have written: after every
failure and every rebalance, and before the next batch.

Exclusive. One instance of the group does everything and the others stand by: a single ordered writer. Its inputs
have one partition each and one member is given all of them. All instances have one transactional id, so that an
instance that takes over fences the one before, does not wait for its open transaction to time out, and finds all of its
transactions ended. Therefore only a member that holds all inputs starts a producer: a standby must not fence anyone.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.errors import InterlockError
from interlock.schemas.dead_letters import OVERSIZED
from interlock.streams import gc_tuning
from interlock.streams.batch_limit import BatchLimit
from interlock.streams.clock import Clock, SystemClock
from interlock.streams.consuming import records_of
from interlock.streams.errors import RecoveryAction
from interlock.streams.expired import Expired, expired_records
from interlock.streams.metrics import Metrics
from interlock.streams.outputs import Outputs, Processor
from interlock.streams.ports import Broker, Message, Partition
from interlock.streams.recovery import Recovery, UnrecoverableError, committed_offsets
from interlock.streams.transaction import Transactor
from interlock.streams.unreadable_batches import UnreadableBatch

__all__ = ["ProcessingError", "Runner", "RunnerSettings", "UnrecoverableError"]

log = logging.getLogger(__name__)

# How late an idle runner notices that it shall stop, and reads its tables; a record, or a rebalance, ends the waiting.
IDLE_SECONDS = 0.5

# The client waits for whole milliseconds: one that wakes up before a tick would wait again for the rest.
_TIMER_SECONDS = 0.001


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """`instance`: unique among the running instances of `group`, and the same after a restart.

    `exclusive`: one instance at a time works, and the inputs have one partition each. `tick_seconds`: after that
    long without a message the processor is called with none, so that it can do what only time brings about.
    """

    group: str
    instance: str
    inputs: tuple[str, ...]
    # Measured: 1,000 halves the speed, 30,000 gains nothing. Smaller by itself while commits time out.
    max_batch: int = 10_000
    # How long a quiet stream waits for company, counted from the batch before: part of the latency, far below
    # what a person notices.
    max_wait_seconds: float = 0.010
    # Bounds every request, above all a commit, and with it a rebalance that waits for one. Longer than a leader
    # election; shorter than `transaction.timeout.ms`, after which the broker aborts by itself.
    request_seconds: float = 10.0
    exclusive: bool = False
    tick_seconds: float | None = None
    consumer_overrides: Mapping[str, Any] = field(default_factory=dict)
    producer_overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def transactional_id(self) -> str:
        return self.group if self.exclusive else self.name

    @property
    def name(self) -> str:
        """For the log."""
        return f"{self.group}-{self.instance}"


class ProcessingError(InterlockError):
    """The processor raised. Nothing of its batch was committed; the message names its offsets."""


@dataclass(frozen=True, slots=True)
class _InFlight:
    commit: Future[None]
    positions: list[TopicPartition]
    messages: int
    records: int
    written: float


class Runner:
    """One instance of a processor. `run` does everything; tests call `step`, in a single thread."""

    def __init__(
        self,
        broker: Broker,
        processor: Processor,
        settings: RunnerSettings,
        *,
        clock: Clock | None = None,
        before_batch: Callable[[], None] = lambda: None,
        restore: Callable[[], None] | None = None,
        assigned: Callable[[list[TopicPartition]], None] = lambda _: None,
        metrics: Metrics | None = None,
        stop: threading.Event | None = None,
        executor: Executor | None = None,
        on_expired: Callable[[list[Expired]], None] = lambda _: None,
    ) -> None:
        """Joins the group, but reads nothing yet.

        `before_batch` is called between batches, for example to read tables. `restore` rebuilds the processor's
        state from what was committed; if it raises KafkaException it is called again. `assigned` is told of new
        partitions before the first batch with their messages. `executor` runs the commits, by default in a thread of
        its own. `on_expired` is told of records that were deleted before they were read.
        """
        self._broker = broker
        self._settings = settings
        self._processor = processor
        self._clock = clock or SystemClock()
        self._before_batch = before_batch
        self._metrics = metrics or Metrics(settings.group)
        self._metrics.expose("messages_in", "messages_out", "batches", "batch_size", "batch_seconds", "commit_seconds")
        self._metrics.expose("aborts", "producer_restarts", "unavailable", "lag", "assigned_partitions")
        self._metrics.expose("dead_letters", reason=OVERSIZED)
        for event in ("assigned", "revoked"):
            self._metrics.expose("rebalances", event=event)
        self._stop = stop or threading.Event()
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="commit")
        timeout = settings.request_seconds
        self._transactor = Transactor(broker, settings.transactional_id, settings.producer_overrides, timeout)
        self._restore = restore
        self._assigned = assigned
        self._recovery = Recovery(
            self._transactor,
            self._clock,
            self._metrics,
            timeout,
            restore=self._restored if restore else None,
            exclusive_inputs=settings.inputs if settings.exclusive else (),
        )
        self._limit = BatchLimit(settings.max_batch, timeout)
        self._on_expired = on_expired
        self._held: set[Partition] = set()  # what is assigned
        self._new: list[TopicPartition] = []  # assigned, and not yet looked at for records that are missing
        self._in_flight: _InFlight | None = None
        self._behind = False
        self._last_read = 0.0
        self._idle = False  # nothing came at the last reading
        self._processed = 0  # when, in microseconds since the epoch
        self._consumer = broker.consumer(
            settings.group, exclusive=settings.exclusive, overrides=settings.consumer_overrides
        )
        self._consumer.subscribe(
            list(settings.inputs), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def run(self) -> None:
        """Steps until `stop` is set, then closes.

        Raises ProcessingError or UnrecoverableError, after closing: the process should say why and end.
        """
        gc_tuning.keep_off_the_hot_path()
        try:
            while not self._stop.is_set():
                self.step()
        finally:
            self.close()

    def step(self) -> None:
        """One iteration. Raises ProcessingError or UnrecoverableError."""
        if self._recovery.needed:
            self._repair()
            return
        if not self._behind and not self._finish():
            return
        first = self._wait_for_a_record()
        self._before_batch()
        batch = self._read(first)
        if batch is not None:
            started = time.perf_counter()
            outputs = self._process(batch)
            self._metrics.observe("batch_seconds", time.perf_counter() - started)
            if self._finish() and outputs is not None and (batch or outputs.count):
                self._write(batch, outputs)
        if self._in_flight is not None and self._in_flight.commit.done():
            self._finish()

    def _repair(self) -> None:
        self._finish()  # the commit of a batch before the failure; its producer may be about to be replaced
        # A standby has nothing to wait for, and would hold up the rebalances of the others.
        if not self._recovery.stands_by(self._consumer):
            self._stop.wait(self._recovery.pause())
        # Only to learn of rebalances, and what is read is dropped: a member that was replaced must not fence its
        # successor, and while a rebalance waits for its callbacks no committed offsets are told. Not before the first
        # producer is there: what is assigned then would be read, dropped, and read again only after Kafka has kept the
        # answer to the next fetch back for as long as it may.
        if self._held or self._settings.exclusive:
            self._read()
        self._recovery.repair(self._consumer)

    def close(self) -> None:
        """Finishes the commit in flight, leaves the group, ends the helper thread."""
        self._finish()
        # Otherwise readers of the outputs would wait for the transaction's time-out, and the other members of the
        # group for the end of the session. Both happen if Kafka is away, and then nothing else can be done.
        for leave in (self._transactor.abort_if_open, self._consumer.close):
            try:
                leave()
            except KafkaException as error:
                log.warning("%s: the group was not left in order: %s", self._settings.name, error)
        self._transactor.discard()
        self._executor.shutdown()

    def _wait_for_a_record(self) -> Sequence[Message] | None:
        """The first record after a time without any, or what else ends the waiting, if anything does; None while there
        is work. Asking every few milliseconds instead would cost an idle instance a hundredth of a core."""
        if not self._idle or self._in_flight is not None:
            return None
        try:
            return self._consumer.consume(1, min(IDLE_SECONDS, self._seconds_to_tick() + _TIMER_SECONDS))
        except KafkaException as error:
            self._recovery.failed("reading", error.args[0], RecoveryAction.REWIND)
            return ()

    def _read(self, first: Sequence[Message] | None = None) -> Sequence[Message] | None:
        """The next batch, at a tick an empty one; None if there is nothing to do. `first`: what ended the waiting."""
        try:
            messages = first or ()
            waited_in_vain = first is not None and not first
            # What cannot be read comes alone.
            if not (waited_in_vain or any(isinstance(message, UnreadableBatch) for message in messages)):
                waited = time.monotonic() - self._last_read
                timeout = max(0.0, self._settings.max_wait_seconds - waited)
                messages = [*messages, *self._consumer.consume(max(1, self._limit.messages - len(messages)), timeout)]
            self._last_read = time.monotonic()
            self._idle = not messages
            try:
                messages = records_of(messages, on_transient=self._recovery.transient)
            except KafkaException as error:  # its consumer is of no use any more
                self._recovery.failed("reading", error.args[0], RecoveryAction.STOP)
            if self._recovery.needed or not (messages or self._tick_is_due()):
                return None
            self._behind = len(messages) > self._limit.messages // 2
            if not self._held:  # a tick for a member without partitions
                return None
            if self._new and not self._look_for_expired():
                return None
            return messages
        except KafkaException as error:
            self._recovery.failed("reading", error.args[0], RecoveryAction.REWIND)
            return None

    def _look_for_expired(self) -> bool:
        """Whether it could be done; committed offsets are told only when no transaction may change them."""
        if not self._finish():
            return False
        timeout = self._settings.request_seconds
        committed = committed_offsets(self._consumer, self._new, timeout, self._recovery.committed)
        with closing(self._broker.consumer(None)) as asking:
            expired = expired_records(asking, committed, timeout)
        self._new = []
        if expired:
            self._on_expired(expired)
        return True

    def _tick_is_due(self) -> bool:
        return self._seconds_to_tick() <= 0

    def _seconds_to_tick(self) -> float:
        if self._settings.tick_seconds is None:
            return math.inf
        passed = (self._clock.now() - self._processed) / 1e6
        # A clock that was set back must not stop the ticks until it has caught up.
        return 0.0 if passed < 0 else max(0.0, self._settings.tick_seconds - passed)

    def _process(self, batch: Sequence[Message]) -> Outputs | None:
        """None if the processor needed Kafka and did not reach it: the batch is read again."""
        self._processed = self._clock.now()
        try:
            return self._processor.process(batch, self._processed)
        except KafkaException as error:
            self._recovery.failed("processing", error.args[0], RecoveryAction.REWIND)
            return None
        except Exception as error:
            raise self._processing_failed(batch, error) from error

    def _write(self, batch: Sequence[Message], outputs: Outputs) -> None:
        try:
            # After a tick some may be unknown (-1001), which leaves their committed offsets as they are.
            positions = self._consumer.position([TopicPartition(*partition) for partition in sorted(self._held)])
            metadata = self._consumer.consumer_group_metadata()
            self._measure_lag(positions)
        except KafkaException as error:
            self._recovery.failed("reading", error.args[0], RecoveryAction.REWIND)
            return
        try:
            oversized = self._transactor.write(outputs)
        except KafkaException as error:
            self._limit.failed(error.args[0], len(batch))
            self._recovery.failed("writing", error.args[0])
            return
        except Exception as error:  # a column that raises when it is read, or of the wrong length
            raise self._processing_failed(batch, error) from error
        if oversized:
            self._metrics.add("dead_letters", oversized, reason=OVERSIZED)
        commit = self._executor.submit(self._transactor.commit, positions, metadata)
        self._in_flight = _InFlight(commit, positions, len(batch), outputs.count, time.perf_counter())

    def _finish(self) -> bool:
        """Waits for the commit in flight, if any. False if something is broken."""
        flight, self._in_flight = self._in_flight, None
        if flight is not None:
            try:
                flight.commit.result()
            except KafkaException as error:
                self._limit.failed(error.args[0], flight.messages)
                self._recovery.failed("committing", error.args[0])
            else:
                self._count(flight)
        return not self._recovery.needed

    # These two run inside consume() and close(), and must not raise.

    def _on_assign(self, _: Any, partitions: list[TopicPartition]) -> None:
        if self._restore is not None:
            self._recovery.require(RecoveryAction.RESTART)
        if self._settings.exclusive and any(partition.partition for partition in partitions):
            reason = "an exclusive group's inputs must have one partition each"
            self._recovery.failed("taking over", KafkaError(KafkaError._INVALID_ARG, reason), RecoveryAction.STOP)
        self._assigned(partitions)
        self._held |= {(partition.topic, partition.partition) for partition in partitions}
        self._new += [TopicPartition(partition.topic, partition.partition) for partition in partitions]
        self._rebalanced("assigned", partitions)

    def _on_revoke(self, _: Any, partitions: list[TopicPartition]) -> None:
        """Lost partitions too: the commit in flight is then either refused or was in time."""
        self._finish()  # within the deadline that the commit has anyway; nothing else is unfinished
        gone = {(partition.topic, partition.partition) for partition in partitions}
        self._held -= gone
        self._new = [partition for partition in self._new if (partition.topic, partition.partition) not in gone]
        self._recovery.require(RecoveryAction.REWIND)
        if self._settings.exclusive:
            self._transactor.discard()  # the next member ends the transaction that may be open
        self._rebalanced("revoked", partitions)

    def _rebalanced(self, event: str, partitions: list[TopicPartition]) -> None:
        self._metrics.add("rebalances", event=event)
        self._metrics.set("assigned_partitions", len(self._held))
        names = ", ".join(sorted(f"{p.topic}[{p.partition}]" for p in partitions))
        log.info("%s: %s %s", self._settings.name, event, names or "nothing")

    def _count(self, flight: _InFlight) -> None:
        seconds = time.perf_counter() - flight.written
        self._limit.committed(flight.messages, seconds)
        self._recovery.succeeded()
        for place in flight.positions:
            if place.offset >= 0:
                self._recovery.committed[place.topic, place.partition] = place.offset
        self._metrics.add("batches")
        self._metrics.add("messages_in", flight.messages)
        self._metrics.add("messages_out", flight.records)
        self._metrics.observe("batch_size", flight.messages)
        self._metrics.observe("commit_seconds", seconds)

    def _measure_lag(self, positions: list[TopicPartition]) -> None:
        lag = 0
        for position in positions:
            _, end = self._consumer.get_watermark_offsets(position, cached=True)
            if position.offset >= 0:
                lag += max(0, end - position.offset)
        self._metrics.set("lag", lag)

    def _processing_failed(self, batch: Sequence[Message], error: Exception) -> ProcessingError:
        ranges: dict[str, list[int]] = {}
        for message in batch:
            ranges.setdefault(f"{message.topic()}[{message.partition()}]", []).append(message.offset())
        where = ", ".join(
            f"{name} offsets {min(offsets)} to {max(offsets)}" for name, offsets in sorted(ranges.items())
        )
        return self._stopped(
            f"processing {where or 'a tick'} failed with {error!r}. Nothing of this batch was committed; it is read "
            "again after the restart.",
            error,
        )

    def _restored(self) -> None:
        assert self._restore is not None
        try:
            self._restore()
        except KafkaException:
            raise
        except Exception as error:
            reason = f"restoring the processor's state failed with {error!r}. It is tried again after the restart."
            raise self._stopped(reason, error) from error

    def _stopped(self, reason: str, error: Exception) -> ProcessingError:
        text = f"{self._settings.name} stops: {reason}"
        log.error("%s", text, exc_info=error)
        return ProcessingError(text)
