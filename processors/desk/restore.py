"""Restores the desk from its compacted topics, and applies the tables of policies and reviewers that it follows."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
import structlog

from interlock.policy.errors import PolicyError
from interlock.policy.version import from_resolved
from interlock.processors.desk.deadlines import set_warning
from interlock.processors.desk.impact import WINDOW_SIZE
from interlock.processors.desk.policy_changes import adopt_duties
from interlock.processors.desk.reviewers import PushPause
from interlock.processors.desk.reviewers import from_record as reviewer_from_record
from interlock.processors.desk.state import LEASE_WARNING, RETENTION, DeskState
from interlock.processors.desk.stored_records import Unreadable, read_presence, read_tasks
from interlock.processors.desk.tallies import Tally, TallyKey, read_tally
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_prefix import read_decided
from interlock.processors.records import Headers, Message
from interlock.schemas import catalogue, wire
from interlock.schemas.headers import headers_of

log = structlog.get_logger()

# Policies before tasks: what a task waits for follows from its policy.
FOLLOWED_TOPICS = (catalogue.POLICIES.name, catalogue.REVIEWERS.name)
RESTORED_TOPICS = (catalogue.TASKS.name, catalogue.PRESENCE.name, catalogue.TALLIES.name)

# Of these the records of the last day: what was answered and told is not done twice.
REMEMBERED_TOPICS = (catalogue.REPLIES.name, catalogue.ALERTS.name)

# Records that are looked at together: numpy works in bulk, and beyond some thousands nothing is gained.
_PART = 10_000

# Of what is read as a whole: more would fill the caches of a processor and save nothing.
_WHOLE_PART = 2_000

_Read = TypeVar("_Read")


class Tables:
    """The newest record of every policy and reviewer, so that they outlive a rebuilt state."""

    def __init__(self) -> None:
        self._newest: dict[str, dict[str, bytes]] = {name: {} for name in FOLLOWED_TOPICS}
        self.ignored: dict[tuple[str, str], Unreadable] = {}
        """By topic and key: the newest records where they cannot be used."""

    def apply(self, state: DeskState, record: Message) -> None:
        """Applies a record of a followed topic; one that cannot be used leaves the record before in force."""
        topic, value = record.topic(), record.value()
        name = (record.key() or b"").decode(errors="replace")
        try:
            _apply(state, topic, name, value)
        except (wire.WireError, PolicyError, ValueError) as error:
            log.error("unreadable record ignored", topic=topic, key=name, why=str(error))
            place = record.partition(), record.offset()
            self.ignored[topic, name] = Unreadable(topic, *place, record.key(), value, headers_of(record), str(error))
            return
        self.ignored.pop((topic, name), None)
        if value is None:
            self._newest[topic].pop(name, None)
        else:
            self._newest[topic][name] = value

    def give_to(self, state: DeskState) -> None:
        """Applies the newest records to a new state."""
        for topic in FOLLOWED_TOPICS:
            for name, value in self._newest[topic].items():
                _apply(state, topic, name, value)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The state, without what is in `unreadable`; `latest`: the latest time at which something in it has happened."""

    state: DeskState
    latest: int
    unreadable: list[Unreadable]


class _Stored(NamedTuple):
    """A record of the desk's own, and its place for the log."""

    key: bytes | None
    value: bytes
    partition: int
    offset: int
    headers: Headers


def rebuild(tables: Tables, records: Iterable[Message], retention: int = RETENTION) -> Rebuilt:
    """The state that the desk's own records describe; the last record of a key counts.

    Decided tasks stay as bytes. `retention`: how long they are kept, in microseconds.
    """
    state = DeskState(retention=retention)
    newest: dict[str, dict[bytes, _Stored]] = {name: {} for name in RESTORED_TOPICS}
    latest = 0
    remaining = iter(records)
    while part := list(islice(remaining, _PART)):
        last: dict[str, dict[bytes, Message]] = {name: {} for name in RESTORED_TOPICS}
        for record in part:
            last[record.topic() or ""][record.key() or b""] = record
        latest = max(latest, _take_decided(state, last[catalogue.TASKS.name], newest[catalogue.TASKS.name]))
        for topic, others in last.items():
            for key, record in others.items():
                newest[topic].pop(key, None)
                value = record.value()
                if value is not None:
                    newest[topic][key] = _Stored(
                        record.key(), value, record.partition(), record.offset(), headers_of(record)
                    )
    tables.give_to(state)
    unreadable: list[Unreadable] = []
    for presence in _each(newest, catalogue.PRESENCE.name, _read_presences, unreadable):
        name = presence["reviewer"]
        if not presence["on_duty"]:
            state.off_duty[name] = presence["since"]
            continue
        state.on_duty[name] = presence["since"]
        if presence["paused_since"] is not None:
            state.paused[name] = PushPause(presence["paused_since"], presence["pause_reason"])
    for name, tally in _each(newest, catalogue.TALLIES.name, _read_tallies, unreadable):
        state.tallies.restore(name, tally)
    tasks = list(_each(newest, catalogue.TASKS.name, read_tasks, unreadable))
    _count_late(state, tasks)
    amounts: dict[str, deque[float]] = {}
    # In the order of arrival, so that impacts are ranked among the same neighbours as before.
    for task in sorted(tasks, key=lambda task: (task.arrived_at, task.task_id)):
        if not task.routed_queue:
            adopt_duties(state, task)
        set_warning(state, task)
        if task.lease_until is not None:
            length = state.terms(task).lease_seconds * 1_000_000
            task.lease_warn_at = task.lease_until - round((1 - LEASE_WARNING) * length)
        if task.state != "done" and task.amount is not None:
            amounts.setdefault(task.queue, deque(maxlen=WINDOW_SIZE)).append(task.amount)
        state.keep(task)
    for queue, latest_amounts in amounts.items():
        for amount in latest_amounts:
            state.impact(queue, amount, "")
    return Rebuilt(state, max(latest, max(_instants(state), default=0)), unreadable)


def _take_decided(state: DeskState, records: dict[bytes, Message], newest: dict[bytes, _Stored]) -> int:
    """Moves the decided tasks from `records`, of different tasks, into the state, where they replace what was known of
    these tasks, as all of `records` do. Returns when one of them has changed last; 0 if there is none."""
    keys, values = list(records), [record.value() or b"" for record in records.values()]
    decided = read_decided(keys, values)
    index = decided.index.tolist()
    rest = map(state.rests_until, decided.closed_at.tolist(), decided.final_at)
    state.tasks.put_packed_many(
        [keys[i].decode() for i in index], [values[i] for i in index], np.fromiter(rest, np.int64, len(index))
    )
    for i in index:
        del records[keys[i]]
        newest.pop(keys[i], None)
    state.tasks.discard_packed([name for key in records if (name := _text(key)) is not None])
    return int(decided.at.max(initial=0))


def _text(key: bytes) -> str | None:
    try:
        return key.decode()
    except UnicodeDecodeError:
        return None


def _instants(state: DeskState) -> Iterator[int]:
    """When things have happened, by what the records say."""
    yield from state.on_duty.values()
    yield from state.off_duty.values()
    yield from (pause.since for pause in state.paused.values())
    for task in state.tasks.unpacked.values():
        yield max(task.arrived_at, task.decided_at or 0, task.lease_since or 0)


def _each(
    newest: dict[str, dict[bytes, _Stored]],
    topic: str,
    read: Callable[[Sequence[bytes], Sequence[bytes]], Sequence[_Read | ValueError]],
    unreadable: list[Unreadable],
) -> Iterator[_Read]:
    """The records of a topic that can be read, taken out in parts, so that nobody keeps all of them twice. The others
    must not stop the desk for everybody."""
    records = newest[topic]
    keys = iter(list(records))
    while part := list(islice(keys, _WHOLE_PART)):
        stored = [records.pop(key) for key in part]
        for record, found in zip(stored, read(part, [record.value for record in stored]), strict=True):
            if not isinstance(found, ValueError):
                yield found
                continue
            left_out = Unreadable(
                topic, record.partition, record.offset, record.key, record.value, record.headers, str(found)
            )
            log.error("unreadable record left out", place=left_out.place, why=left_out.why)
            unreadable.append(left_out)


def _count_late(state: DeskState, tasks: Sequence[Task]) -> None:
    """Counts the late tasks of every key that has no record: they were late before the desk kept tallies, which has a
    record as soon as one of its tasks is."""
    uncounted = [task for task in tasks if task.state != "done" and task.is_sample and task.is_late]
    for task in [task for task in uncounted if task.tally_key not in state.tallies]:
        state.tallies.settled(task.tally_key)


def _read_tallies(keys: Sequence[bytes], values: Sequence[bytes]) -> list[tuple[TallyKey, Tally] | ValueError]:
    return [_read_one_tally(key, value) for key, value in zip(keys, values, strict=True)]


def _read_one_tally(key: bytes, value: bytes) -> tuple[TallyKey, Tally] | ValueError:
    try:
        return read_tally(key, value)
    except ValueError as error:  # WireError is one
        return error


def _read_presences(keys: Sequence[bytes], values: Sequence[bytes]) -> list[dict[str, Any] | ValueError]:
    return [_read_presence(key, value) for key, value in zip(keys, values, strict=True)]


def _read_presence(key: bytes, value: bytes) -> dict[str, Any] | ValueError:
    try:
        return read_presence(key, value)
    except ValueError as error:  # WireError is one
        return error


def _apply(state: DeskState, topic: str, name: str, value: bytes | None) -> None:
    if topic == catalogue.POLICIES.name:
        if value is None:
            state.set_policy(name, None)
        else:
            record = wire.decode_plain("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            _check_key(name, record["name"], policy.name)
            state.set_policy(name, policy, record["version"])
    elif value is None:
        state.set_reviewer(name, None)
    else:
        reviewer = reviewer_from_record(wire.decode_plain("Reviewer", value))
        _check_key(name, reviewer.id)
        state.set_reviewer(name, reviewer)


def _check_key(key: str, *names: str) -> None:
    """A record under another key than its name would make two of one policy or person."""
    for name in names:
        if name != key:
            raise ValueError(f"the record with the key {key!r} is about {name!r}: write it again under its own name")
