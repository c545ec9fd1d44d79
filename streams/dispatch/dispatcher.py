"""Reads records, calls a handler for the jobs that they demand, and commits offsets behind it: at least once.

Jobs of one lane are done one after the other, others side by side. The id of a finished job is remembered before its
offset is committed, so that reading it again does nothing.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Generic, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.schemas.dead_letters import CONTRADICTION
from interlock.schemas.wire import WireError
from interlock.streams.clock import Clock, SystemClock
from interlock.streams.consuming import records_of
from interlock.streams.dispatch.dead_letters import DeadLetters
from interlock.streams.dispatch.deliveries import (
    Deliveries,
    Delivery,
    Job,
    PermanentError,
    RetryLater,
    Schedule,
)
from interlock.streams.dispatch.holding import Holding
from interlock.streams.dispatch.seen import Seen
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message, Partition

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long a step waits for something to read, and so how late the end of a job may be noticed.
_POLL_INTERVAL_SECONDS = 0.05

# Read ahead of what is finished: one job that is tried for half an hour must not keep the others waiting.
_MAX_UNFINISHED = 1_000

# Records read in one step, so that finished jobs are collected while many records come in.
_BATCH_SIZE = 200

# What was done in this time would be done a second time after a crash, unless it was remembered.
_COMMIT_INTERVAL_SECONDS = 1.0

# How long attempts may go on when a partition goes to another process, or this one ends.
_SHUTDOWN_TIMEOUT_SECONDS = 15.0

# When not even the dead letter can be written.
_DEAD_LETTER_RETRY_SECONDS = 10.0

# The code of dead letters that were not attempted, because one of the same lane is a dead letter already.
WAITS_BEHIND = "waits-behind"

# A round trip; the next step repeats a request that was not answered.
_REQUEST_TIMEOUT_SECONDS = 5.0


_CONTRADICTED = (
    "{} was carried out before, with another outcome: two decisions were sent under one id. The first one stands; "
    "compare them with `interlock timeline`, and undo by hand what is wrong"
)


class Dispatcher(Generic[T]):
    """One member of a group. All methods in one thread; the handler runs in others."""

    def __init__(
        self,
        broker: Broker,
        group: str,
        topics: Sequence[str],
        jobs: Callable[[Message], Sequence[Job[T]]],
        handler: Callable[[T], None],
        dead_letters: DeadLetters | None,
        *,
        seen: Seen,
        schedule: Schedule | None = None,
        concurrency: int = 8,
        clock: Clock | None = None,
        pool: Pool | None = None,
        metrics: Metrics | None = None,
        joined: Callable[[Sequence[T]], T] | None = None,
        max_unfinished: int = _MAX_UNFINISHED,
    ) -> None:
        """`jobs`: what a record demands; raises WireError for one that cannot be read. `handler` raises PermanentError
        or RetryLater; any other Exception counts as RetryLater in doubt. `dead_letters`: for records whose job failed
        for good; None: only to the log. `pool` replaces the threads in tests. `joined`: makes one work of several,
        where jobs may be done as one. `max_unfinished`: how many jobs are read ahead. Raises KafkaException if a topic
        does not exist.
        """
        missing = set(topics) - broker.topic_states(topics).keys()
        if missing:
            absent = f"topic {', '.join(sorted(missing))} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        self._group = group
        self._jobs = jobs
        self._handler = handler
        self._dead_letters = dead_letters
        self._seen = seen
        self._clock = clock or SystemClock()
        self._pool = pool or ThreadPoolExecutor(concurrency, thread_name_prefix=group)
        self._metrics = metrics
        if metrics is not None:
            metrics.expose("lag", "assigned_partitions")
            for event in ("assigned", "revoked", "lost"):
                metrics.expose("rebalances", event=event)
        self._joined = joined
        self._max_unfinished = max_unfinished
        self._deliveries: Deliveries[T | WireError] = Deliveries(schedule or Schedule())
        self._running: dict[Future[None], Delivery[T | WireError]] = {}
        self._assigned: set[Partition] = set()
        self._paused: set[Partition] = set()
        self._restored: set[int] = set()
        self._last_commit = 0
        # Exclusive stands for the range assignor, which gives equal numbers of all topics to one member: what belongs
        # to one decision meets in one process.
        self._consumer = broker.consumer(group, exclusive=True, overrides={"enable.partition.eof": True})
        self._holding = Holding(self._consumer, group)
        self._consumer.subscribe(list(topics), self._on_assign, self._on_revoke, self._on_lost)

    def run(self, stop: threading.Event) -> None:
        """Steps until `stop` is set, then closes; raises KafkaException where only a person can help."""
        try:
            while not stop.is_set():
                self.step()
        finally:
            self.close()

    def step(self) -> None:
        """One iteration."""
        self._set_pauses()
        self._read()
        self._open_held()
        self._collect()
        if self._restore():
            self._start()
        if self._now() >= self._last_commit + _COMMIT_INTERVAL_SECONDS * 1e6:
            self._commit()

    def close(self) -> None:
        """Ends the running jobs, commits, and leaves the group."""
        try:
            self._consumer.close()
        except KafkaException as error:
            log.warning("%s: the group was not left in order: %s", self._group, error.args[0].str())
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _now(self) -> int:
        return self._clock.now()

    def _set_pauses(self) -> None:
        full = len(self._deliveries) >= self._max_unfinished
        wanted = set(self._assigned if full else self._holding.partitions & self._assigned)
        for change, partitions in (
            (self._consumer.pause, wanted - self._paused),
            (self._consumer.resume, self._paused - wanted),
        ):
            if partitions:
                change([TopicPartition(*partition) for partition in sorted(partitions)])
        self._paused = wanted

    def _read(self) -> None:
        for index in range(_BATCH_SIZE):
            # One at a time: a larger batch may hold records from before a rebalance that happens meanwhile.
            messages = self._consumer.consume(1, 0 if index else _POLL_INTERVAL_SECONDS)
            if not messages:
                return
            for record in records_of(messages, on_end=self._reached_end):
                self._receive(record)

    def _reached_end(self, event: Message) -> None:
        self._holding.reached((event.topic(), event.partition()), event.offset())

    def _receive(self, record: Message) -> None:
        self._holding.reached((record.topic(), record.partition()), record.offset() + 1)
        if not self._holding.add_if_held(record):
            self._accept(record)

    def _accept(self, message: Message, *, waited: bool = False) -> None:
        jobs: list[Job[T | WireError]]
        try:
            jobs = [*self._jobs(message)]
        except WireError as error:
            jobs = [_unreadable(message, error)]
        except Exception as error:  # a record must not end the process, at every restart again, whatever is wrong in it
            jobs = [_unreadable(message, WireError("malformed-record", f"the record cannot be read: {error!r}"))]
        if waited or not any(self._hold(message, job) for job in jobs):
            self._deliveries.add(message, jobs)

    def _hold(self, message: Message, job: Job[T | WireError]) -> bool:
        """Whether the message waits, because a job before this one may still be unread on another topic."""
        if job.after is not None:
            topic, before = job.after
            if before in self._deliveries or before in self._seen:
                return False
            return self._holding.hold(message, topic, self._assigned, for_sure=True)
        return job.behind is not None and self._holding.hold(message, job.behind, self._assigned, for_sure=False)

    def _open_held(self) -> None:
        for messages in self._holding.opened():
            self._accept(messages.popleft(), waited=True)
            while messages:
                self._receive(messages.popleft())  # which may have to wait for another one

    def _restore(self) -> bool:
        """Whether it is known what waits in the assigned partitions; before, nothing may be begun."""
        numbers = {number for _, number in self._assigned} - self._restored
        if self._dead_letters is not None and numbers:
            try:
                self._dead_letters.restore(numbers)
                self._dead_letters.committed(self._committed(numbers))
            except KafkaException as error:
                log.warning("%s: what waits as dead letters is not known yet: %s", self._group, error.args[0].str())
                return False
            self._restored |= numbers
        return True

    def _committed(self, numbers: set[int]) -> dict[Partition, int]:
        wanted = [TopicPartition(*partition) for partition in sorted(self._assigned) if partition[1] in numbers]
        answers = self._consumer.committed(wanted, _REQUEST_TIMEOUT_SECONDS)
        return {(answer.topic, answer.partition): answer.offset for answer in answers if answer.error is None}

    def _start(self) -> None:
        for delivery in self._deliveries.due(self._now()):
            if delivery.job.id in self._seen:
                if delivery.job.effect and delivery.job.effect_key not in self._seen:
                    delivery.in_doubt = True  # what was done under its id may have to be taken back
                    self._give_up(delivery, CONTRADICTION, _CONTRADICTED.format(delivery.job.id))
                else:
                    self._finish(delivery)
            elif self._admit(delivery):
                self._running[self._pool.submit(self._attempt, self._work(delivery))] = delivery

    def _work(self, delivery: Delivery[T | WireError]) -> T | WireError:
        """The work of a job, with that of all others that may be done with it and are not known to be done."""
        if self._joined is None or not delivery.job.joins:
            return delivery.job.work
        by_id = {each.job.id: each.job.work for each in self._deliveries.join(delivery)}
        works = [work for job_id, work in by_id.items() if job_id not in self._seen and not isinstance(work, WireError)]
        return self._joined(works)

    def _admit(self, delivery: Delivery[T | WireError]) -> bool:
        """Whether the job is to be attempted. If not, it is ended."""
        if self._dead_letters is None:
            return True
        try:
            admission = self._dead_letters.admit(delivery.message, delivery.job)
        except KafkaException as error:
            self._put_off(delivery, error)
            return False
        if admission.what == "leave_out":
            log.warning("%s: %s is not carried out: %s", self._group, delivery.job.id, admission.reason)
            self._deliveries.done(delivery)
        elif admission.what == "wait":
            self._give_up(delivery, WAITS_BEHIND, admission.reason)
        return admission.what == "hand_over"

    def _finish(self, delivery: Delivery[T | WireError]) -> None:
        """Its job is done, and known to be."""
        if self._dead_letters is not None:
            try:
                self._dead_letters.done(delivery.message, delivery.job)
            except KafkaException as error:
                self._put_off(delivery, error)
                return
        self._deliveries.done(delivery)

    def _put_off(self, delivery: Delivery[T | WireError], error: KafkaException) -> None:
        log.warning("%s: no dead letter could be written: %s", self._group, error)
        self._deliveries.put_off(delivery, self._now(), _DEAD_LETTER_RETRY_SECONDS)

    def _attempt(self, work: T | WireError) -> None:
        if isinstance(work, WireError):
            raise PermanentError(str(work), work.reason)
        self._handler(work)

    def _collect(self) -> None:
        for future in [future for future in self._running if future.done()]:
            delivery = self._running.pop(future)
            error = future.exception()
            if error is None:
                if delivery.job.effect:
                    # First of the two: a crash in between must not make a contradiction of the same job.
                    self._seen.add(delivery.job.effect_key)
                for each in (delivery, *delivery.joined):
                    self._seen.add(each.job.id)
                self._finish(delivery)
                continue
            known = isinstance(error, (PermanentError, RetryLater))
            delivery.in_doubt |= error.in_doubt if isinstance(error, RetryLater) else not known
            if delivery.orphaned:
                self._deliveries.part(delivery)
                self._deliveries.done(delivery)
            elif isinstance(error, PermanentError):
                self._give_up(delivery, error.code, str(error))
            else:
                self._failed(delivery, error)

    def _failed(self, delivery: Delivery[T | WireError], error: BaseException) -> None:
        known = isinstance(error, RetryLater)
        reason = str(error) if known else repr(error)
        after = error.after if isinstance(error, RetryLater) else 0.0
        pause = self._deliveries.failed(delivery, self._now(), after)
        if pause is None:
            self._give_up(delivery, "failed", f"{reason} (attempt {delivery.attempts}, the last one)")
        else:
            self._deliveries.part(delivery)
            log.warning(
                "%s: attempt %d of %s failed: %s; again in %.1f s",
                self._group,
                delivery.attempts,
                delivery.job.id,
                reason,
                pause,
                exc_info=None if known else error,
            )

    def _give_up(self, delivery: Delivery[T | WireError], code: str, reason: str) -> None:
        for each in (delivery, *delivery.joined):
            log.error("%s: %s is given up: %s", self._group, each.job.id, reason)
        if self._dead_letters is not None:
            try:
                new = self._dead_letters.put(delivery.message, delivery.job, code, reason, in_doubt=delivery.in_doubt)
            except KafkaException as error:
                self._put_off(delivery, error)
                return
            if self._metrics is not None and new:
                self._metrics.add("dead_letters", reason=code)
        # Not remembered, so that a replayed dead letter is tried again.
        self._deliveries.done(delivery)

    def _commit(self) -> None:
        self._last_commit = self._now()
        offsets = self._deliveries.offsets()
        if offsets:
            positions = [TopicPartition(*partition, offset) for partition, offset in sorted(offsets.items())]
            try:
                results = self._consumer.commit(offsets=positions, asynchronous=False)
            except KafkaException as error:
                # The next commit includes these; after a crash the ids tell what was done.
                log.warning("%s: offsets could not be committed: %s", self._group, error.args[0].str())
                return
            for result in results:
                if result.error:
                    offsets.pop((result.topic, result.partition))
            self._deliveries.committed(offsets)
            if self._dead_letters is not None:
                try:
                    self._dead_letters.committed(offsets)
                except KafkaException as error:  # only keeps in mind for longer what need not be
                    log.warning("%s: dead letters that are settled stay known: %s", self._group, error.args[0].str())
        if self._metrics is not None:
            self._metrics.set("assigned_partitions", len(self._assigned))
            self._metrics.set("lag", sum(map(self._holding.lag, self._assigned)))

    # These run inside consume() and close(), and must not raise.

    def _on_assign(self, _: Any, partitions: list[TopicPartition]) -> None:
        self._assigned |= self._rebalanced("assigned", partitions)

    def _on_revoke(self, _: Any, partitions: list[TopicPartition]) -> None:
        """Running jobs may end, and their offsets are committed before another member reads on."""
        revoked = self._rebalanced("revoked", partitions)
        wait(self._cancel(revoked), _SHUTDOWN_TIMEOUT_SECONDS)
        self._collect()
        self._commit()
        self._drop(revoked)

    def _on_lost(self, _: Any, partitions: list[TopicPartition]) -> None:
        """Another member reads on already."""
        lost = self._rebalanced("lost", partitions)
        self._cancel(lost)
        self._drop(lost)

    def _cancel(self, partitions: set[Partition]) -> list[Future[None]]:
        """Cancels jobs that have not begun; returns those that run."""
        running = []
        for future, delivery in list(self._running.items()):
            if (delivery.message.topic(), delivery.message.partition()) in partitions:
                if future.cancel():
                    del self._running[future]
                    self._deliveries.part(delivery)
                    self._deliveries.cancelled(delivery)
                else:
                    running.append(future)
        return running

    def _drop(self, partitions: set[Partition]) -> None:
        self._deliveries.drop(partitions)
        self._assigned -= partitions
        self._resume(self._paused & partitions)
        self._paused -= partitions
        numbers = {number for _, number in partitions}
        self._restored -= numbers
        if self._dead_letters is not None:
            self._dead_letters.forget(numbers)
        for partition in partitions:
            self._holding.drop(partition)

    def _resume(self, partitions: set[Partition]) -> None:
        """Before they are given back: librdkafka keeps the state of a partition that was revoked while paused. Resuming
        it when it is assigned again might drop the event that tells that it has ended."""
        if partitions:
            try:
                self._consumer.resume([TopicPartition(*partition) for partition in sorted(partitions)])
            except KafkaException as error:
                log.warning("%s: partitions are given back paused: %s", self._group, error.args[0].str())

    def _rebalanced(self, event: str, partitions: list[TopicPartition]) -> set[Partition]:
        changed = {(partition.topic, partition.partition) for partition in partitions}
        if self._metrics is not None:
            self._metrics.add("rebalances", event=event)
        log.info("%s: %s %s", self._group, event, ", ".join(f"{topic}[{number}]" for topic, number in sorted(changed)))
        return changed


def _unreadable(message: Message, error: WireError) -> Job[WireError]:
    """In the lane of its key: what comes behind it belongs together, whatever the value says."""
    name = f"{message.topic()}/{message.partition()}/{message.offset()}"
    key = message.key()
    return Job(name, key.decode(errors="backslashreplace") if key else name, error)
