"""What the desk writes in one batch."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from interlock.processors.events import Event
from interlock.processors.records import Headers, OutputLists
from interlock.schemas import catalogue
from interlock.schemas.encoder import encode_all


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a command, by its place in the outputs; `digest` is that of the command."""

    place: int
    digest: bytes
    at: int


@dataclass
class DeskOutputs(OutputLists):
    """`codes`: replies by code; `bad`: dead letters by reason; `changes`: of tasks, by event; `answers`: by the id of a
    command, which may come again.

    The records of events are encoded together, since they are many: until `encode` they have no value.
    """

    codes: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Answer] = field(default_factory=dict)
    _places: dict[str, list[int]] = field(default_factory=dict)
    _records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add_event(self, event: Event, headers: Headers | None = None) -> int:
        """Appends the record of an event, and returns its place."""
        place = self.count
        self.add(event.topic.name, event.key.encode(), None, headers)
        if event.record is not None:
            assert event.topic.schema is not None
            self._places.setdefault(event.topic.schema, []).append(place)
            self._records.setdefault(event.topic.schema, []).append(event.record)
            if event.topic is catalogue.TASKS:
                self.changes[event.record["event"]] += 1
        return place

    def encode(self) -> None:
        """Gives every record its value."""
        for name, records in self._records.items():
            for place, value in zip(self._places[name], encode_all(name, records), strict=True):
                self.values[place] = value
        self._places.clear()
        self._records.clear()

    def written_tasks(self) -> dict[str, bytes]:
        """By task, its last record; call after `encode`. A tombstone is none."""
        return {
            key.decode(): value
            for topic, key, value in zip(self.topics, self.keys, self.values, strict=True)
            if topic == catalogue.TASKS.name and key is not None and value is not None
        }
