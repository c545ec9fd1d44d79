"""What changes on the board, as a feed: the latest changes in memory, older ones from Kafka.

A reader's place is an offset of each topic, so any process can go on where another one stopped.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.processors.desk.task import DESK
from interlock.processors.review.times import micros
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import read_range

# The order is that of the numbers in a place.
TOPICS = (
    catalogue.TASKS,
    catalogue.PRESENCE,
    catalogue.CONTROLS,
    catalogue.ALERTS,
    catalogue.PROPOSALS,
    catalogue.POLICIES,
    catalogue.VIEWING,
)

_KINDS = {
    catalogue.TASKS.name: "task",
    catalogue.PRESENCE.name: "presence",
    catalogue.CONTROLS.name: "control",
    catalogue.ALERTS.name: "alert",
    catalogue.PROPOSALS.name: "proposal",
    catalogue.POLICIES.name: "policy",
    catalogue.VIEWING.name: "viewing",
}

# Some minutes of a busy desk.
KEPT = 10_000

# A reader who missed more is told to read everything anew, which costs less.
MAX_MISSED = 20_000

Place = tuple[int, ...]
"""The next offset of each of TOPICS."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `kind`: task, presence, control, alert, proposal, policy or viewing.

    `facts` tell nothing that a blind review hides."""

    topic: str
    offset: int
    kind: str
    facts: dict[str, Any]


class Feed:
    """Safe to share between threads."""

    def __init__(self, broker: Broker) -> None:
        """Begins at the end of the topics. Raises KafkaException."""
        self._broker = broker
        self._lock = threading.Lock()
        self._changes: deque[Change] = deque(maxlen=KEPT)
        self._listeners: set[Callable[[], object]] = set()
        ends = [broker.end_offsets(topic.name) for topic in TOPICS]
        self._place: list[int] = [end.get(0, 0) for end in ends]
        self._first = list(self._place)

    @property
    def place(self) -> Place:
        """Behind the latest change."""
        with self._lock:
            return tuple(self._place)

    def add(self, message: Message) -> None:
        """A record that was read. Raises WireError."""
        number = _NUMBERS.get(message.topic())
        # Most of what a server reads at its start is older; to decode it would double the time.
        if number is None or message.offset() < self._place[number]:
            return
        change = change_of(message)
        if change is None:
            return
        with self._lock:
            if change.offset < self._place[number]:
                return
            if len(self._changes) == KEPT:
                oldest = self._changes[0]
                self._first[_NUMBERS[oldest.topic]] = oldest.offset + 1
            self._changes.append(change)
            self._place[number] = change.offset + 1
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def since(self, place: Place) -> Sequence[Change] | None:
        """Every change from `place` on, in the order of each topic; None: there are too many, begin anew.

        Raises KafkaException.
        """
        with self._lock:
            recent = [change for change in self._changes if change.offset >= place[_NUMBERS[change.topic]]]
            first = tuple(self._first)
        missed = {
            topic.name: (start, end) for topic, start, end in zip(TOPICS, place, first, strict=True) if start < end
        }
        if sum(end - start for start, end in missed.values()) > MAX_MISSED:
            return None
        return [*self._older(missed), *recent]

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Calls `listener`, in any thread, after each change; returns what ends that."""
        with self._lock:
            self._listeners.add(listener)

        def end() -> None:
            with self._lock:
                self._listeners.discard(listener)

        return end

    def _older(self, missed: dict[str, tuple[int, int]]) -> Iterator[Change]:
        if not missed:
            return
        starts = {(name, 0): start for name, (start, _) in missed.items()}
        ends = {(name, 0): end for name, (_, end) in missed.items()}
        for message in read_range(self._broker, starts, ends):
            try:
                change = change_of(message)
            except wire.WireError:
                continue
            if change is not None:
                yield change


def advanced(place: Place, change: Change) -> Place:
    """The place behind a change."""
    number = _NUMBERS[change.topic]
    return (*place[:number], max(place[number], change.offset + 1), *place[number + 1 :])


def as_text(place: Place) -> str:
    """As the id of an event."""
    return "-".join(map(str, place))


def from_text(text: str) -> Place | None:
    """The place that an id names; None where it is none of ours."""
    parts = text.split("-")
    if len(parts) != len(TOPICS) or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
        return None
    return tuple(map(int, parts))


def change_of(message: Message) -> Change | None:
    """The change that a record is; None for a topic that nobody looks on. Raises WireError."""
    topic, value = message.topic(), message.value()
    if topic not in _KINDS:
        return None
    key = (message.key() or b"").decode(errors="replace")
    schema = catalogue.BY_NAME[topic].schema
    assert schema is not None
    facts = _facts(topic, wire.decode(schema, value)) if value is not None else {"gone": True}
    return Change(topic, message.offset(), _KINDS[topic], {"id": key, **facts})


def _facts(topic: str, record: dict[str, Any]) -> dict[str, Any]:
    match topic:
        case catalogue.TASKS.name:
            return {
                "state": record["state"],
                "queue": record["queue"],
                "priority": record["priority"],
                "deadline": micros(record["deadline"]),
                "holder": record["lease_holder"] or record["assigned_to"],
                "epoch": record["lease_epoch"],
                # A gold item is planted by a lead, whom its arrival must not name.
                "by": DESK if record["event"] == "arrived" else record["actor"],
                "event": _public_event(record),
            }
        case catalogue.PRESENCE.name:
            return {"on_duty": record["on_duty"]}
        case catalogue.CONTROLS.name:
            return {"halted": record["halted"], "reason": record["reason"], "by": record["set_by"]}
        case catalogue.ALERTS.name:
            return {"kind": record["kind"], "severity": record["severity"]}
        case catalogue.PROPOSALS.name:
            return {"state": record["state"], "kind": record["kind"]}
        case catalogue.VIEWING.name:
            return {"person": record["person"]}
        case _:
            return {"version": record["version"], "by": record["published_by"]}


def _public_event(record: dict[str, Any]) -> str:
    """What happened, in words that do not tell audits and gold items from other tasks."""
    return "done" if record["state"] == "done" else str(record["event"])


_NUMBERS = {topic.name: number for number, topic in enumerate(TOPICS)}
