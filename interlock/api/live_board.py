"""The board of a server: open tasks by queue in the order of their deadlines, kept up to date by a thread.

Slim, because a server lists a few tasks of hundreds of thousands: of each open task the bytes of its record and the few
fields that order it, of each decided one the offset at which Kafka has its record.
"""

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from heapq import merge
from operator import itemgetter
from typing import Any

from confluent_kafka import KafkaException
from sortedcontainers import SortedDict

from interlock.api import feed
from interlock.errors import InterlockError
from interlock.policies.controls import Halt, halt_of
from interlock.processors.review.open_task import OpenTask
from interlock.processors.review.times import micros
from interlock.review.desk_connection import Reply
from interlock.review.recalling import Recallable
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import read_range
from interlock.streams.tables import TableReader

log = logging.getLogger(__name__)

Record = dict[str, Any]

_TASKS, _PRESENCE, _REVIEWERS = catalogue.TASKS, catalogue.PRESENCE, catalogue.REVIEWERS

# What changes on a page while one looks at it.
FOLLOWED = (*feed.TOPICS, _REVIEWERS)

# Pages say every twenty seconds that they are looked at: who missed two of these no longer looks.
VIEWING_MICROSECONDS = 60_000_000

# How late the board notices that it shall stop; a change ends the waiting at once.
_POLL_SECONDS = 0.5

# A broker that restarts is back by then; until it is, the board shows what it knew.
_RETRY_SECONDS = 1.0

# librdkafka goes on without a word when it loses its broker, so the board asks; a request takes a millisecond. Seldom
# while nobody wants to know: who asks first after that may be told how it was so long ago.
_PROBE_SECONDS = 1.0
_SELDOM_SECONDS = 10.0

# Pages and health checks ask more often than that as long as there is anybody.
_WANTED_SECONDS = 60.0
_PROBE_TIMEOUT_SECONDS = 2.0

# A reply and its task become visible together, but on two topics: a reader may see the reply some moments earlier. The
# reply holds in any case, so that nobody waits for a board that has lost Kafka.
_REPLY_TIMEOUT_SECONDS = 5.0

# Of how many tasks the time of the last change is kept: more than the desk changes while a reply is under way.
_MAX_CHANGES = 10_000


class LiveBoard:
    """Safe to share between threads."""

    def __init__(self, broker: Broker, on_policies: Callable[[], None] = lambda: None) -> None:
        """Reads everything, then follows in a thread until `close`. Raises KafkaException.

        `on_policies`: called in that thread after policies have changed.
        """
        self.feed = feed.Feed(broker)
        self._on_policies = on_policies
        self._broker = broker
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._open: dict[str, OpenTask] = {}
        self._raw: dict[str, bytes] = {}
        self._done: dict[str, int] = {}
        self._changed_at: OrderedDict[str, datetime] = OrderedDict()
        # The open tasks because of which the answer on a decision is withheld, and the decisions of each such task.
        self._blind: dict[str, set[str]] = {}
        self._withheld: dict[str, frozenset[str]] = {}
        self._recallable: dict[str, Recallable] = {}
        # By queue, then by deadline and id.
        self._queues: dict[str, Any] = {}
        self._presence: dict[str, Record] = {}
        self._reviewers: dict[str, Record] = {}
        self._halts: dict[str, Halt] = {}
        self._viewers: dict[str, dict[str, int]] = {}
        self._problem = ""
        self._wanted_at = time.monotonic()
        self._stopping = threading.Event()
        self._reader = TableReader(broker, [topic.name for topic in FOLLOWED])
        try:
            for messages in self._reader.read_parts():
                for message in messages:
                    self._apply(message)
                    self._show(message)
        except BaseException:
            self._reader.close()
            raise
        self._thread = threading.Thread(target=self._follow, name="board", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """Why the board is not up to date; empty while it is."""
        self._wanted_at = time.monotonic()
        return self._problem

    def task(self, task_id: str) -> Record | None:
        """One task, decided ones until the desk forgets them. Raises KafkaException."""
        with self._lock:
            raw = self._raw.get(task_id)
            offset = self._done.get(task_id)
        if raw is not None:
            return wire.decode("Task", raw)
        return self._read(task_id, offset) if offset is not None else None

    def epoch(self, task_id: str) -> int:
        """The latest lease of an open task; 0 of one that is not open."""
        with self._lock:
            found = self._open.get(task_id)
        return found.epoch if found is not None else 0

    def wait_for(self, reply: Reply) -> None:
        """Waits until the board shows what the desk has done: whoever got the reply sees it on the next page."""
        if reply.accepted:
            with self._changed:
                self._changed.wait_for(lambda: self._shows(reply), _REPLY_TIMEOUT_SECONDS)

    def _shows(self, reply: Reply) -> bool:
        if reply.kind in ("on_duty", "off_duty"):
            present = self._presence.get(reply.actor, {}).get("on_duty", False)
            return bool(present) == (reply.kind == "on_duty") and reply.actor not in self.paused
        changed_at = self._changed_at.get(reply.task_id)
        if changed_at is not None and changed_at >= reply.at:
            return True
        # Who claims what is already theirs changes nothing.
        raw = self._raw.get(reply.task_id)
        return raw is not None and reply.kind == "claim" and wire.decode("Task", raw)["lease_epoch"] == reply.epoch

    def open_tasks(
        self,
        queue: str = "",
        *,
        after: tuple[int, str] | None = None,
        wanted: Callable[[OpenTask], bool] = lambda _: True,
        limit: int | None = None,
    ) -> list[OpenTask]:
        """Open tasks, earliest deadline first, of one queue or of all.

        `after`: deadline and id of the last one seen."""
        with self._lock:
            queues = [self._queues[queue]] if queue in self._queues else []
            tasks = _merged(queues if queue else list(self._queues.values()), after)
            found: list[OpenTask] = []
            for task in tasks:
                if wanted(task):
                    found.append(task)
                    if limit is not None and len(found) >= limit:
                        break
        return found

    def is_blind(self, decision_id: str) -> bool:
        """Whether an open task withholds the AI's answer on the decision."""
        with self._lock:
            return decision_id in self._blind

    def is_undecided(self, task_id: str) -> bool:
        """Whether the task is open and nothing has taken effect: it is neither an audit nor contested."""
        with self._lock:
            raw = self._raw.get(task_id)
        return raw is not None and wire.decode("Task", raw)["version"] == 0

    @property
    def recallable(self) -> list[Recallable]:
        """What took effect by itself and nobody has judged; of some the window may have ended."""
        with self._lock:
            return list(self._recallable.values())

    def count(self) -> int:
        """How many tasks are open."""
        with self._lock:
            return len(self._open)

    @property
    def reviewers(self) -> Mapping[str, Record]:
        """Every reviewer by id."""
        with self._lock:
            return dict(sorted(self._reviewers.items()))

    @property
    def on_duty(self) -> frozenset[str]:
        """Who takes tasks at present."""
        with self._lock:
            return frozenset(
                name for name, record in self._presence.items() if record["on_duty"] and name in self._reviewers
            )

    @property
    def paused(self) -> dict[str, Record]:
        """The presence of those on duty to whom nothing is pushed, by id: since when (`paused_since`) and why
        (`pause_reason`)."""
        with self._lock:
            return {name: record for name, record in self._presence.items() if record["paused_since"] is not None}

    @property
    def halts(self) -> list[Halt]:
        """What is halted, by scope."""
        with self._lock:
            return [self._halts[key] for key in sorted(self._halts)]

    def viewers(self, task_id: str, now: int) -> list[str]:
        """Who looks at a task; `now` in microseconds since the epoch."""
        with self._lock:
            seen = self._viewers.get(task_id, {})
            for person in [name for name, at in seen.items() if now - at > VIEWING_MICROSECONDS]:
                del seen[person]
            if not seen:
                self._viewers.pop(task_id, None)
            return sorted(seen)

    def close(self) -> None:
        """Stops following."""
        self._stopping.set()
        self._thread.join()
        self._reader.close()

    def _follow(self) -> None:
        probed_at = -math.inf
        while not self._stopping.is_set():
            try:
                messages = self._reader.poll(_POLL_SECONDS)
                if not messages and time.monotonic() >= probed_at + self._probe_seconds():
                    self._broker.topic_states([_TASKS.name], timeout=_PROBE_TIMEOUT_SECONDS)
                    self._problem = ""
                    probed_at = time.monotonic()
            except KafkaException as error:
                self._problem = f"Kafka does not answer: {error.args[0].str()}"
                self._stopping.wait(_RETRY_SECONDS)
                continue
            if not messages:
                continue
            self._take(messages)
            with self._changed:
                self._changed.notify_all()

    def _probe_seconds(self) -> float:
        wanted = time.monotonic() < self._wanted_at + _WANTED_SECONDS
        return _PROBE_SECONDS if wanted else _SELDOM_SECONDS

    def _take(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._apply(message)
            if message.topic() == catalogue.POLICIES.name:
                try:
                    self._on_policies()
                except KafkaException as error:
                    log.warning("the policies cannot be read again: %s", error.args[0].str())
            self._show(message)

    def _show(self, message: Message) -> None:
        """Puts it into the feed, unless it is older than that."""
        with suppress(wire.WireError):
            self.feed.add(message)

    def _apply(self, message: Message) -> None:
        key, value = (message.key() or b"").decode(errors="replace"), message.value()
        try:
            with self._lock:
                match message.topic():
                    case _TASKS.name:
                        self._apply_task(key, value, message.offset())
                    case _PRESENCE.name:
                        _put(self._presence, "Presence", key, value)
                    case catalogue.VIEWING.name:
                        if value is not None:
                            record = wire.decode("Viewing", value)
                            self._viewers.setdefault(record["task_id"], {})[record["person"]] = micros(record["at"])
                    case catalogue.CONTROLS.name:
                        halt = halt_of(message.key() or b"", value) if value is not None else None
                        self._halts.pop(key, None)
                        if halt is not None:
                            self._halts[key] = halt
                    case _REVIEWERS.name:
                        _put(self._reviewers, "Reviewer", key, value)
        except wire.WireError as error:  # one unreadable record must not hide the others
            log.warning("%s offset %d cannot be read: %s", message.topic(), message.offset(), error)

    def _apply_task(self, key: str, value: bytes | None, offset: int) -> None:
        self._raw.pop(key, None)
        self._recallable.pop(key, None)
        for decision_id in self._withheld.pop(key, ()):
            self._blind[decision_id].discard(key)
            if not self._blind[decision_id]:
                del self._blind[decision_id]
        before = self._open.pop(key, None)
        if before is not None:
            self._queues[before.queue].pop((before.deadline, key), None)
            if not self._queues[before.queue]:
                del self._queues[before.queue]
        self._done.pop(key, None)
        if value is None:
            return
        record = wire.decode("Task", value)
        self._changed_at[key] = record["at"]
        self._changed_at.move_to_end(key)
        if len(self._changed_at) > _MAX_CHANGES:
            self._changed_at.popitem(last=False)
        if record["state"] == "done":
            self._done[key] = offset
            return
        task = OpenTask.of(record)
        self._raw[key] = value
        if (decision := Recallable.of(record)) is not None:
            self._recallable[key] = decision
        if withheld := _withheld_by(record):
            self._withheld[key] = withheld
            for decision_id in withheld:
                self._blind.setdefault(decision_id, set()).add(key)
        self._open[key] = task
        self._queues.setdefault(task.queue, SortedDict())[(task.deadline, key)] = task

    def _read(self, task_id: str, offset: int) -> Record | None:
        """The record of a decided task, from Kafka."""
        place = (_TASKS.name, 0)
        for message in read_range(self._broker, {place: offset}, {place: offset + 1}):
            if message.offset() == offset and message.value() is not None:
                return wire.decode("Task", message.value())
        # Compaction has removed it: a newer record is on its way to this board, unless the topic was created again.
        with self._lock:
            newer = self._done.get(task_id)
        if newer is not None and newer != offset:
            return self._read(task_id, newer)
        raise InterlockError(f"Kafka no longer has the record of {task_id}: ask again in a moment")


def _withheld_by(record: Record) -> frozenset[str]:
    """The decisions on which the AI's answer is withheld while the task is open: its own if it is judged blind. The
    case of a gold item too, whose outcome is known: a gold item has another id than its case."""
    blind = {record["task_id"]} if record["blind"] else set()
    return frozenset(blind | ({record["decision_id"]} if record["kind"] == "gold" else set()))


def _merged(queues: list[Any], after: tuple[int, str] | None) -> Iterator[OpenTask]:
    """The tasks of several queues in one order."""

    def ordered(queue: Any) -> Iterator[tuple[Any, OpenTask]]:
        for key in queue.irange(after, inclusive=(False, True)) if after else queue:
            yield key, queue[key]

    return (task for _, task in merge(*map(ordered, queues), key=itemgetter(0)))


def _put(table: dict[str, Record], schema: str, key: str, value: bytes | None) -> None:
    if value is None:
        table.pop(key, None)
    else:
        table[key] = wire.decode(schema, value)
