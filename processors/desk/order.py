"""Which waiting task comes first.

`deadline`: the earliest first; what is late already comes after all others, because it cannot be saved any more and
would drag those after it along (it is escalated instead). `score`: the greatest weighted score first; waiting counts up
to a day and no further, so under lasting overload what scores low waits until its breach or a floor saves it.

A class (priority) may have a floor: its least share of the hand-outs while one of its tasks waits. It is kept with a
debt that grows by the floor with every hand-out and shrinks by one with every hand-out to the class; a class that is
owed a whole hand-out goes first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from interlock.processors.desk.sorted_lists import FULL_WAIT, ByDeadline, ByScore, Key

_MINUTE = 60 * 1_000_000

IMPACT, WAITING, DOUBT, COMPLIANCE = 0.4, 0.3, 0.2, 0.1


@dataclass(frozen=True, slots=True)
class WaitingTask:
    """A task in a queue; times in microseconds since the epoch.

    `score`: its part that does not change with time (see `score`). `since`: when it began to wait. `breached`: the desk
    has told that its deadline passed.
    """

    task_id: str
    priority: str
    deadline: int
    score: float
    since: int
    breached: bool


def score(impact: float, confidence: float, compliance: bool) -> float:
    """The part of the weighted score that does not change; impact and confidence from 0 to 1."""
    return IMPACT * impact + DOUBT * (1 - confidence) + COMPLIANCE * compliance


def full_score(one: WaitingTask, now: int) -> float:
    """The weighted score, from 0 to 1: the part that does not change and that for waiting, full after a day."""
    return WAITING * (_head_start(one) + min(now - one.since, FULL_WAIT)) / FULL_WAIT


def _head_start(one: WaitingTask) -> int:
    """The score as a time: how much earlier an equal task without it would have had to come.

    In whole microseconds (4e-12 of score), so that no rounding of sums decides between two tasks.
    """
    return round(one.score / WAITING * FULL_WAIT)


class QueueOrder:
    """The tasks that wait in one queue, in order. `floors`: by priority, together at most 1."""

    def __init__(self, order: Literal["deadline", "score"], floors: Mapping[str, float] | None = None) -> None:
        self._by_deadline = order == "deadline"
        self._floors = dict(sorted((floors or {}).items()))
        self._waiting: dict[str, WaitingTask] = {}
        ranks = ByDeadline if self._by_deadline else ByScore
        self._all: ByDeadline | ByScore = ranks()
        self._classes = {priority: ranks() for priority in self._floors}
        self._debts = dict.fromkeys(self._floors, 0.0)

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._waiting

    def add(self, one: WaitingTask) -> None:
        """Takes in a task; replaces an entry of the same id."""
        self.remove(one.task_id)
        self._waiting[one.task_id] = one
        key = self._key(one)
        self._all.add(key)
        if one.priority in self._classes:
            self._classes[one.priority].add(key)

    def remove(self, task_id: str) -> None:
        """Takes out a task; harmless if it is not there."""
        one = self._waiting.pop(task_id, None)
        if one is None:
            return
        key = self._key(one)
        self._all.remove(key)
        if one.priority in self._classes:
            self._classes[one.priority].remove(key)

    def candidates(self, now: int) -> Iterator[str]:
        """Every task id once, best first, for somebody who takes the first that fits.

        Classes that are owed a hand-out come whole: one of their tasks may fit where their first does not. Add and
        remove nothing while reading on, and ask about no other instant. An instant before the last one is answered as
        rightly.
        """
        owed = self._owed(self._debts)
        first = chain.from_iterable(self._classes[priority].in_order(now) for priority in owed)
        rest = self._all.in_order(now)
        if not owed:
            return rest
        return chain(first, (task_id for task_id in rest if self._waiting[task_id].priority not in owed))

    def first(self, count: int, now: int) -> list[str]:
        """The next `count` task ids if each of them is handed out: floors get their share of these, and no more."""
        if not self._floors:
            return list(islice(self._all.in_order(now), count))
        debts = dict(self._debts)
        lists = {priority: keys.in_order(now) for priority, keys in self._classes.items()}
        left = {priority: len(keys) for priority, keys in self._classes.items()}
        rest = self._all.in_order(now)
        found: dict[str, None] = {}
        while len(found) < min(count, len(self)):
            owed = [priority for priority in self._owed(debts) if left[priority]]
            task_id = next(one for one in (lists[owed[0]] if owed else rest) if one not in found)
            found[task_id] = None
            priority = self._waiting[task_id].priority
            self._account(debts, priority, [one for one, number in left.items() if number])
            if priority in left:
                left[priority] -= 1
        return list(found)

    def served(self, priority: str) -> None:
        """One task of this priority is handed out: call it for each, before or after its removal."""
        self._account(self._debts, priority, [one for one, keys in self._classes.items() if keys])

    def why(self, task_id: str, now: int) -> str:
        """Why the task stands where it stands, for people; raises KeyError if it does not wait here."""
        one = self._waiting[task_id]
        place = self._all.place(self._key(one), now)
        where = f"first of {len(self)}" if place == 1 else f"number {place} of {len(self)}"
        if not self._by_deadline:
            grown = full_score(one, now) - one.score
            told = (
                f"score {one.score + grown:.2f} = {one.score:.2f} for impact, doubt and compliance "
                f"+ {grown:.2f} for waiting {_span(now - one.since)}, {where} by score"
            )
        elif one.breached or one.deadline <= now:
            told = f"late by {_span(now - one.deadline)}, after all that can still be in time: {where}"
        else:
            told = f"due in {_span(one.deadline - now)}, {where} by deadline"
        owed = self._owed(self._debts)
        if one.priority in owed:
            told += (
                f"; {one.priority} work goes first now, it is owed {self._floors[one.priority]:.0%} of the hand-outs"
            )
        return told

    def _key(self, one: WaitingTask) -> Key:
        if self._by_deadline:
            return one.breached, one.deadline, one.since, one.task_id
        return one.since - _head_start(one), one.since, one.task_id

    def _owed(self, debts: Mapping[str, float]) -> list[str]:
        """Waiting classes that are owed a hand-out, the greatest debt first."""
        owed = [priority for priority, debt in debts.items() if debt >= 1 and self._classes[priority]]
        return sorted(owed, key=lambda priority: -debts[priority])

    def _account(self, debts: dict[str, float], priority: str, waiting: list[str]) -> None:
        """Writes one hand-out into `debts`.

        Who does not wait is owed nothing. Work beyond the floor is no credit against later: the share holds in every
        stretch of hand-outs, not in the long run only. A debt stays below one for each class and one more as long as
        somebody can do the work (the greatest is paid first and the floors are together at most 1); what nobody could
        do grows no further, or it would fill the day of the first who can.
        """
        for one, floor in self._floors.items():
            grown = debts[one] + floor - (one == priority)
            debts[one] = min(max(grown, 0.0), 1.0 + len(self._floors)) if one in waiting else 0.0


def _span(micros: int) -> str:
    """A length of time for people, to the minute; from two days on to the hour."""
    minutes = abs(micros) // _MINUTE
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"
