"""The desk's own records, as it reads them back.

Each is checked: whoever may write to their topics may have written one, and a task that makes no sense would stop the
desk for everybody.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from operator import attrgetter
from typing import Any

from interlock.policy.vocabulary import Priority
from interlock.processors.desk.command import MAX_NAME_LENGTH
from interlock.processors.desk.task import END_OF_TIME, RECORDED, Task, from_columns, from_record
from interlock.processors.records import Headers
from interlock.schemas import avro_schemas, wire
from interlock.schemas.columns import Decoder

_STATES = frozenset({"waiting", "assigned", "leased", "snoozed", "done"})
_NEEDED = {
    "assigned": ("assigned_to", "assigned_until"),
    "leased": ("lease_holder", "lease_until"),
    "snoozed": ("assigned_to", "snoozed_until"),
}
_PRIORITIES = frozenset(str(priority) for priority in Priority)
_TIMES = (
    "routed_at",
    "arrived_at",
    "due_from",
    "deadline",
    "raised_at",
    "assigned_until",
    "lease_since",
    "lease_until",
    "snoozed_until",
    "decided_at",
    "override_until",
    "final_at",
    "closed_at",
    "created_at",
)
_times: Callable[[Task], tuple[int | None, ...]] = attrgetter(*_TIMES)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that was left out, and why. What it was about, the desk does not know.

    Of a task that was decided long ago the place is not known: partition and offset are -1.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    why: str

    @property
    def name(self) -> str:
        """Its key as a text."""
        return (self.key or b"").decode(errors="backslashreplace")

    @property
    def place(self) -> str:
        """Where it stands, and its key, for people."""
        place = f"{self.topic}[{self.partition}] offset {self.offset}" if self.offset >= 0 else self.topic
        return f"{place} with the key {self.name}"


def read_task(key: bytes, value: bytes) -> Task:
    """The task in a record of `reviews.tasks`. Raises ValueError if it cannot be one of the desk's."""
    task = from_record(wire.decode_plain("Task", value, exact=False))
    _check(key, task)
    return task


def read_tasks(keys: Sequence[bytes], values: Sequence[bytes]) -> list[Task | ValueError]:
    """The same for many records, in a third of the time; the error where it would be raised."""
    decoded = _decoder().decode(values)
    read: dict[int, Task | ValueError] = {bad.index: wire.WireError(bad.reason, bad.message) for bad in decoded.bad}
    indexes = range(len(values)) if decoded.index is None else decoded.index
    tasks = from_columns([decoded.rows.column(name).to_pylist() for name in RECORDED])
    for index, task in zip(indexes, tasks, strict=True):
        try:
            _check(keys[index], task)
        except ValueError as error:
            read[index] = error
        else:
            read[index] = task
    return [read[index] for index in range(len(values))]


def read_presence(key: bytes, value: bytes) -> dict[str, Any]:
    """The record of `reviews.presence`. Raises ValueError if it cannot be one of the desk's."""
    record = wire.decode_plain("Presence", value)
    _check_key(key, record["reviewer"])
    for name in ("since", "paused_since"):
        _check_time(name, record[name])
    return record


@cache
def _decoder() -> Decoder:
    return Decoder("Task", plain_schema())


def plain_schema() -> str:
    """The schema of a task, with times as integers."""
    return json.dumps(avro_schemas.without_logical_types(json.loads(avro_schemas.text("Task"))))


def _check(key: bytes, task: Task) -> None:
    _check_key(key, task.task_id)
    if len(task.task_id) > MAX_NAME_LENGTH:
        raise ValueError(f"no command could name it: its task_id is longer than {MAX_NAME_LENGTH} characters")
    if task.state not in _STATES:
        raise ValueError(f"state {task.state!r} is unknown")
    if task.priority not in _PRIORITIES:
        raise ValueError(f"priority {task.priority!r} is unknown")
    for name in _NEEDED.get(task.state, ()):
        if not getattr(task, name):
            raise ValueError(f"it is {task.state} and has no {name}")
    for name, instant in zip(_TIMES, _times(task), strict=True):
        _check_time(name, instant)
    if not isfinite(task.score):
        raise ValueError("its score is no number")


def _check_key(key: bytes, name: str) -> None:
    if key != name.encode():
        raise ValueError(f"its key is {key!r}, and it is about {name!r}")


def _check_time(name: str, instant: int | None) -> None:
    if instant is not None and not 0 <= instant < END_OF_TIME:
        raise ValueError(f"{name} is {instant} microseconds after 1970")
