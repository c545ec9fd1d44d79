"""The records that an explanation is made of, as topics and tables have them; times in microseconds since the epoch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from interlock.processors.review.times import SECOND

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One record with its place in Kafka. `logged_at`: Kafka's time of it.

    `review_copy`: of a routed decision that people got besides, or later. `shadow`: one that a challenger made.
    `lost`: the fields of a decision that cannot be read any more, which then have the values of an empty decision.
    """

    record: Record
    topic: str
    partition: int
    offset: int
    logged_at: int
    review_copy: bool = False
    shadow: bool = False
    lost: frozenset[str] = frozenset()

    @property
    def place(self) -> str:
        """Where an auditor finds it."""
        return f"{self.topic} {self.partition}:{self.offset}"


Entries = tuple[Entry, ...]


@dataclass(frozen=True)
class Records:
    """Everything that is kept about one decision, each kind in the order of its log.

    `received`: what the producer sent. `routed`: records of the router. `dead_letters`: `reason` and `message` of what
    could not be read. `replies`: the desk's answers to commands. `policies`, `calibrations`: the versions that records
    above name. `controls`: every record of the scopes that the decision falls into. `reviewers`: every record of the
    people named above. `missing`: what could not be read at present or is not kept any more, in sentences.
    """

    decision_id: str
    received: Entries = ()
    routed: Entries = ()
    dead_letters: Entries = ()
    tasks: Entries = ()
    outcomes: Entries = ()
    resolutions: Entries = ()
    actions: Entries = ()
    replies: Entries = ()
    policies: Entries = ()
    calibrations: Entries = ()
    controls: Entries = ()
    reviewers: Entries = ()
    missing: tuple[str, ...] = field(default=())

    @property
    def known(self) -> bool:
        """Whether anything is known of the decision itself."""
        return bool(self.received or self.routed or self.dead_letters or self.tasks or self.resolutions)

    @property
    def as_of(self) -> int:
        """Kafka's time of the latest record about the decision; 0 where there is none."""
        return max((entry.logged_at for entry in self._about_it()), default=0)

    def until(self, moment: int) -> "Records":
        """What was there at `moment`, whose whole second counts.

        Kafka counts milliseconds and people write seconds: what was written in the second that they name is meant.
        """
        end = moment - moment % SECOND + SECOND
        kept: dict[str, Any] = {
            part.name: tuple(entry for entry in getattr(self, part.name) if entry.logged_at < end)
            for part in fields(self)
            if part.name not in ("decision_id", "missing")
        }
        return replace(self, **kept)

    def _about_it(self) -> Entries:
        return (
            *self.received,
            *self.routed,
            *self.dead_letters,
            *self.tasks,
            *self.outcomes,
            *self.resolutions,
            *self.actions,
            *self.replies,
        )
