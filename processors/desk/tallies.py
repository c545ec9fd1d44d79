"""How much of what was chosen for people is answered, by domain, model version and way to a person.

The counts outlive the tasks, which the desk forgets: a record for each key on a compacted topic, written in the
transaction that changes it.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from interlock.processors.events import Event
from interlock.schemas import catalogue, wire


class TallyKey(NamedTuple):
    """`way`: how decisions came to a person, as `interlock.processors.outcomes.way` names it."""

    domain: str
    model_id: str
    model_version: str
    way: str

    @property
    def text(self) -> str:
        """The key of its record. A list, because names may contain whatever would separate them."""
        return json.dumps(self, ensure_ascii=False)


class Tally(NamedTuple):
    """Of the decisions that were ever chosen: `settled`, nobody waits for their verdict any more; `judged`, a person
    has given it, in time or late."""

    settled: int = 0
    judged: int = 0


class Tallies:
    """The counts, and which of them have changed since they were written last."""

    def __init__(self) -> None:
        self._counts: dict[TallyKey, Tally] = {}
        self._changed: dict[TallyKey, None] = {}

    def __contains__(self, key: TallyKey) -> bool:
        return key in self._counts

    def __getitem__(self, key: TallyKey) -> Tally:
        return self._counts.get(key, Tally())

    def restore(self, key: TallyKey, tally: Tally) -> None:
        """Takes over what was written."""
        self._counts[key] = tally

    def settled(self, key: TallyKey, change: int = 1) -> None:
        """One more decision is not waited for; -1: one is waited for again, because a policy gives it more time."""
        self._put(key, self[key]._replace(settled=self[key].settled + change))

    def judged(self, key: TallyKey) -> None:
        """A person has judged one."""
        self._put(key, self[key]._replace(judged=self[key].judged + 1))

    def take_changed(self) -> list[TallyKey]:
        """What has changed since the last call, in the order in which it changed first."""
        changed = list(self._changed)
        self._changed.clear()
        return changed

    def _put(self, key: TallyKey, tally: Tally) -> None:
        self._counts[key] = tally
        self._changed[key] = None


def record_of(key: TallyKey, tally: Tally, watermarks: Mapping[str, int], now: int) -> Event:
    """What is written of a tally. `watermarks`: its fields `settled_before` and `way_settled_before`."""
    record = key._asdict() | tally._asdict() | dict(watermarks) | {"at": now}
    return Event(catalogue.TALLIES, key.text, record)


def read_tally(key: bytes, value: bytes) -> tuple[TallyKey, Tally]:
    """What a record of `reviews.tallies` says. Raises ValueError if it cannot be one of the desk's."""
    record: dict[str, Any] = wire.decode_plain("Tally", value)
    name = TallyKey(*(record[field] for field in TallyKey._fields))
    if key != name.text.encode():
        raise ValueError(f"its key is {key!r}, and it is about {name.text}")
    if min(record["judged"], record["settled"]) < 0:
        raise ValueError("a count is negative")
    return name, Tally(record["settled"], record["judged"])
