"""The board: every task, reviewer and presence as the desk last wrote them, followed from the compacted topics."""

import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from interlock.errors import InterlockError, UnavailableError
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker
from interlock.streams.tables import TableReader

Record = dict[str, Any]

_TASKS, _PRESENCE, _REVIEWERS = catalogue.TASKS, catalogue.PRESENCE, catalogue.REVIEWERS
_FOLLOWED = (_TASKS, _PRESENCE, _REVIEWERS)

# A reply and its task become visible together, but on two topics: a reader may see the reply some moments earlier.
_LEASE_TIMEOUT_SECONDS = 10.0


class Board:
    """The three tables as they were at the last `refresh`. Safe to share between threads."""

    def __init__(self, broker: Broker) -> None:
        """Reads everything; raises KafkaException."""
        self._tables: dict[str, _Table] = {topic.name: _Table(topic) for topic in _FOLLOWED}
        self._lock = threading.RLock()
        self._reader = TableReader(broker, list(self._tables))
        try:
            for message in self._reader.read_all():
                self._apply(message)
        except BaseException:
            self._reader.close()
            raise

    def refresh(self) -> bool:
        """Applies new records, and returns whether there were any. Returns at once."""
        with self._lock:
            messages = self._reader.poll()
            for message in messages:
                self._apply(message)
        return bool(messages)

    def task(self, task_id: str) -> Record | None:
        """One task, decided ones included until the desk forgets them."""
        with self._lock:
            return self._tables[_TASKS.name].get(task_id)

    def leased(self, task_id: str, epoch: int) -> Record:
        """The task as a claim that was answered with `epoch` left it, or later. InterlockError if it never comes."""
        deadline = time.monotonic() + _LEASE_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            task = self.task(task_id)
            if task is not None and task["lease_epoch"] >= epoch:
                return task
            if not self.refresh():
                time.sleep(0.005)
        raise UnavailableError(f"the desk handed out {task_id}, but {_TASKS.name} does not show it")

    @property
    def tasks(self) -> dict[str, Record]:
        """Every task by id."""
        with self._lock:
            return self._tables[_TASKS.name].all()

    @property
    def open_tasks(self) -> list[Record]:
        """Tasks that are not done, earliest deadline first."""
        return sorted((task for task in self.tasks.values() if task["state"] != "done"), key=_by_deadline)

    @property
    def reviewers(self) -> dict[str, Record]:
        """Every reviewer by id."""
        with self._lock:
            return self._tables[_REVIEWERS.name].all()

    def on_duty(self, reviewer: str) -> bool:
        """Whether the person takes tasks at present."""
        presence = self.presence(reviewer)
        return presence is not None and bool(presence["on_duty"])

    def presence(self, reviewer: str) -> Record | None:
        """The person's `Presence`; None for who was never on duty."""
        with self._lock:
            return self._tables[_PRESENCE.name].get(reviewer)

    def mine(self, reviewer: str) -> list[Record]:
        """Open tasks that this person holds, or that are meant for this person, earliest deadline first."""
        return [task for task in self.open_tasks if reviewer in (task["lease_holder"], task["assigned_to"])]

    def in_queue(self, queue: str) -> list[Record]:
        """Open tasks of a queue, earliest deadline first."""
        return [task for task in self.open_tasks if task["queue"] == queue]

    def close(self) -> None:
        with self._lock:
            self._reader.close()

    def _apply(self, message: Any) -> None:
        self._tables[message.topic()].put((message.key() or b"").decode(), message.value(), message.offset())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Table:
    """The newest record of every key, decoded when it is asked for: most versions of a task never are."""

    def __init__(self, topic: catalogue.Topic) -> None:
        self._topic = topic
        self._raw: dict[str, tuple[bytes, int]] = {}
        self._decoded: dict[str, Record] = {}

    def put(self, key: str, value: bytes | None, offset: int) -> None:
        self._decoded.pop(key, None)
        if value is None:
            self._raw.pop(key, None)
        else:
            self._raw[key] = value, offset

    def get(self, key: str) -> Record | None:
        if key not in self._raw:
            return None
        if key not in self._decoded:
            value, offset = self._raw[key]
            assert self._topic.schema is not None
            try:
                self._decoded[key] = wire.decode(self._topic.schema, value)
            except wire.WireError as error:
                raise InterlockError(
                    f"the record at offset {offset} of {self._topic.name} cannot be read ({error}): "
                    "is this tool older than the desk that wrote it?"
                ) from error
        return self._decoded[key]

    def all(self) -> dict[str, Record]:
        return dict(self._each())

    def _each(self) -> Iterator[tuple[str, Record]]:
        for key in sorted(self._raw):
            record = self.get(key)
            assert record is not None
            yield key, record


def _by_deadline(task: Record) -> tuple[Any, str]:
    return task["deadline"], task["task_id"]
