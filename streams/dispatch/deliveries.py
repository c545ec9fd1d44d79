"""Jobs under way: in which order, when again after a failure, and how far the offsets may be committed.

Pure: time is an argument, in microseconds since the epoch.
"""

import hashlib
import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from interlock.errors import InterlockError
from interlock.streams.ports import Message, Partition

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class PermanentError(InterlockError):
    """No attempt will ever succeed. `code`: a stable word for it."""

    def __init__(self, reason: str, code: str = "refused") -> None:
        super().__init__(reason)
        self.code = code


class RetryLater(InterlockError):
    """The next attempt may succeed. `after`: seconds that the other side wants to be left alone. `in_doubt`: this
    attempt may have taken effect all the same, for example because only the answer was lost."""

    def __init__(self, reason: str, after: float = 0.0, *, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.in_doubt = in_doubt


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often something is tried, and the growing pauses in between.

    With the defaults it is tried for some 30 minutes: a deployment of the other side, or a night's maintenance
    window, but not so long that what happens meanwhile would have to be held back for days.
    """

    attempts: int = 15
    first_seconds: float = 1.0
    longest_seconds: float = 300.0

    def pause(self, key: str, attempt: int) -> float:
        """Seconds after attempt number `attempt` (from 1): half or more of a doubling time.

        The rest depends on `key`, so that jobs which failed together are not tried again together.
        """
        full = min(self.longest_seconds, self.first_seconds * 2.0 ** (attempt - 1))
        share = int.from_bytes(hashlib.sha256(f"{key}/{attempt}".encode()).digest()[:4]) / 2**32
        return full * (0.5 + share / 2)


@dataclass(frozen=True, slots=True)
class Job(Generic[T_co]):
    """Something to be done once. `lane`: jobs of one lane are done one after the other."""

    id: str
    lane: str
    work: T_co
    after: tuple[str, str] | None = None
    """(topic, id): not before that job, if it can still come from that topic."""
    behind: str | None = None
    """A topic: not before what is known to stand there has been read."""
    not_before: int = 0
    """When it may be begun, in microseconds since the epoch."""
    joins: bool = False
    """It may be done together with the others of its lane, as one."""
    effect: str = ""
    """What it does, as far as that tells it from another job with its id; empty: nothing does."""

    @property
    def effect_key(self) -> str:
        """Under which it is remembered that this effect took place."""
        return f"{self.id}={self.effect}"


@dataclass(slots=True, eq=False)
class _Progress:
    """One partition. `open`: how many jobs of each offset are unfinished, in the order of offsets."""

    next: int = -1
    committed: int = -1
    open: dict[int, int] = field(default_factory=dict)
    dropped: bool = False

    @property
    def committable(self) -> int:
        return next(iter(self.open), self.next)

    def end(self, offset: int) -> None:
        self.open[offset] -= 1
        if not self.open[offset]:
            del self.open[offset]


@dataclass(slots=True, eq=False)
class Delivery(Generic[T]):
    """A job on its way."""

    job: Job[T]
    message: Message
    progress: _Progress
    attempts: int = 0
    running: bool = False
    in_doubt: bool = False
    joined: list["Delivery[T]"] = field(default_factory=list)
    """Those that this attempt does as well."""

    @property
    def orphaned(self) -> bool:
        """Another member reads its partition now, and does it again."""
        return self.progress.dropped


class Deliveries(Generic[T]):
    """Not for several threads."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._lanes: dict[str, deque[Delivery[T]]] = {}
        self._ready: deque[Delivery[T]] = deque()
        self._later: list[tuple[int, int, Delivery[T]]] = []
        self._progress: dict[Partition, _Progress] = {}
        self._ids: dict[str, int] = {}
        self._unfinished = 0
        self._numbers = 0

    def __len__(self) -> int:
        """How many jobs are unfinished."""
        return self._unfinished

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._ids

    def add(self, message: Message, jobs: Sequence[Job[T]]) -> None:
        """`message` was read and demands `jobs`. Messages of a partition come in the order of their offsets."""
        progress = self._progress.setdefault((message.topic(), message.partition()), _Progress())
        progress.next = message.offset() + 1
        if jobs:
            progress.open[message.offset()] = len(jobs)
        for job in jobs:
            delivery = Delivery(job, message, progress)
            self._ids[job.id] = self._ids.get(job.id, 0) + 1
            self._unfinished += 1
            lane = self._lanes.setdefault(job.lane, deque())
            lane.append(delivery)
            if len(lane) == 1:
                self._make_ready(delivery)

    def due(self, now: int) -> list[Delivery[T]]:
        """The jobs to be attempted now. Each MUST be ended by `done`, `failed`, `put_off` or `cancelled`."""
        while self._later and self._later[0][0] <= now:
            self._ready.append(heapq.heappop(self._later)[2])
        due = list(self._ready)
        self._ready.clear()
        for delivery in due:
            delivery.running = True
        return due

    def join(self, delivery: Delivery[T]) -> list[Delivery[T]]:
        """All of the lane of `delivery`, which is the first of it, to be done as one. They end with `done`, or go on
        waiting after `part`."""
        lane = self._lanes[delivery.job.lane]
        delivery.joined = [other for other in lane if other is not delivery and other.job.joins]
        for other in delivery.joined:
            other.running = True
        return [delivery, *delivery.joined]

    def part(self, delivery: Delivery[T]) -> None:
        """The attempt has not done those that had joined it: each waits again."""
        for other in delivery.joined:
            other.running = False
            if other.orphaned:
                self.done(other)
        delivery.joined = []

    def done(self, delivery: Delivery[T]) -> None:
        """Nothing is left to do, for those that had joined it either; the next one of the lane may begin."""
        lane = self._lanes[delivery.job.lane]
        was_first = lane[0] is delivery
        for each in (delivery, *delivery.joined):
            each.progress.end(each.message.offset())
            self._forget(each)
            lane.remove(each)
        if not lane:
            del self._lanes[delivery.job.lane]
        elif was_first:
            self._make_ready(lane[0])

    def failed(self, delivery: Delivery[T], now: int, at_least: float = 0.0) -> float | None:
        """In how many seconds it is tried again; None: not any more, and the caller ends it."""
        delivery.attempts += 1
        if delivery.attempts >= self._schedule.attempts:
            return None
        pause = max(at_least, self._schedule.pause(delivery.job.id, delivery.attempts))
        self.put_off(delivery, now, pause)
        return pause

    def put_off(self, delivery: Delivery[T], now: int, seconds: float) -> None:
        """To be tried again after a while, whatever the schedule says; not here, if it is orphaned."""
        if delivery.orphaned:
            self.done(delivery)
            return
        delivery.running = False
        self._make_ready_at(delivery, now + round(seconds * 1e6))

    def cancelled(self, delivery: Delivery[T]) -> None:
        """It was not begun after all."""
        delivery.running = False
        self._ready.appendleft(delivery)

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Another member reads these partitions now: jobs that do not run are forgotten, and no offset is committed."""
        for partition in partitions:
            if partition in self._progress:
                self._progress.pop(partition).dropped = True

        def stays(delivery: Delivery[T]) -> bool:
            return delivery.running or not delivery.orphaned

        self._ready = deque(filter(stays, self._ready))
        self._later = [entry for entry in self._later if stays(entry[2])]
        heapq.heapify(self._later)
        for name, lane in list(self._lanes.items()):
            kept = deque(filter(stays, lane))
            for delivery in lane:
                if not stays(delivery):
                    self._forget(delivery)
            if not kept:
                del self._lanes[name]
                continue
            if kept[0] is not lane[0]:
                self._make_ready(kept[0])
            self._lanes[name] = kept

    def offsets(self) -> dict[Partition, int]:
        """Where to go on after a restart, of partitions in which that has changed."""
        return {
            partition: progress.committable
            for partition, progress in self._progress.items()
            if progress.committable > progress.committed
        }

    def committed(self, offsets: dict[Partition, int]) -> None:
        """Kafka has these."""
        for partition, offset in offsets.items():
            if partition in self._progress:
                self._progress[partition].committed = offset

    def _make_ready(self, delivery: Delivery[T]) -> None:
        """It is the first of its lane."""
        if delivery.job.not_before:
            self._make_ready_at(delivery, delivery.job.not_before)
        else:
            self._ready.append(delivery)

    def _make_ready_at(self, delivery: Delivery[T], instant: int) -> None:
        self._numbers += 1
        heapq.heappush(self._later, (instant, self._numbers, delivery))

    def _forget(self, delivery: Delivery[T]) -> None:
        self._unfinished -= 1
        others = self._ids.pop(delivery.job.id) - 1
        if others:
            self._ids[delivery.job.id] = others
