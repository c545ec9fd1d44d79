"""Which waiting task comes first.

`deadline`: the earliest first. Late tasks come after all others, because they cannot be saved any more and would make
those behind them late as well; the leads get them as well instead. `score`: the greatest weighted score first. Waiting
counts up to a day and no further, so under lasting overload a task that scores low waits until its breach or a floor.
`priority`: by priority, then by deadline, late or not.

A task whose priority was raised because its deadline had passed has a new deadline, and scores as much more as a day of
waiting gives. Late again at the highest priority, it comes before everything that was not raised so far.

A class (priority) may have a floor: its least share of the hand-outs while one of its tasks waits. It is kept with a
debt that grows by the floor with every hand-out and shrinks by one with every hand-out to the class; a class that is
owed a whole hand-out goes first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from interlock.policy.vocabulary import Priority
from interlock.processors.desk.sorted_lists import FULL_WAIT, ByDeadline, ByKey, ByScore, Key, SortedTasks

_MINUTE = 60 * 1_000_000

IMPACT, WAITING, DOUBT, COMPLIANCE = 0.4, 0.3, 0.2, 0.1

# A missed deadline counts once more what the whole wait until then could count; and at last more than any score.
RAISED, FIRST = WAITING, 1.0

PRIORITY_RANK = {str(priority): rank for rank, priority in enumerate(Priority)}

OrderName = Literal["deadline", "score", "priority"]


@dataclass(frozen=True, slots=True)
class WaitingTask:
    """A task in a queue; times in microseconds since the epoch.

    `score`: the part that does not change with time (see `score`). `since`: when it began to wait. `breached`: the desk
    has raised the alert that its deadline passed. `is_raised`: a missed deadline has raised its priority.
    """

    task_id: str
    priority: str
    deadline: int
    score: float
    since: int
    breached: bool
    is_raised: bool = False

    @property
    def goes_first(self) -> bool:
        """Its priority could not be raised any more, and it is late again."""
        return self.breached and self.is_raised

    @property
    def bonus(self) -> float:
        """What missed deadlines add to the score."""
        return self.is_raised * RAISED + self.goes_first * FIRST


def score(impact: float, confidence: float, compliance: bool) -> float:
    """The part of the weighted score that does not change; impact and confidence from 0 to 1."""
    return IMPACT * impact + DOUBT * (1 - confidence) + COMPLIANCE * compliance


def full_score(task: WaitingTask, now: int) -> float:
    """The weighted score, from 0 to 1: the part that does not change and that for waiting, full after a day."""
    return WAITING * (_head_start(task) + min(now - task.since, FULL_WAIT)) / FULL_WAIT


def _head_start(task: WaitingTask) -> int:
    """The score as a time: how much earlier an equal task without it would have had to come.

    In whole microseconds (4e-12 of score), so that no rounding of sums decides between two tasks.
    """
    return round((task.score + task.bonus) / WAITING * FULL_WAIT)


_LISTS: Mapping[OrderName, type[SortedTasks]] = {"deadline": ByDeadline, "score": ByScore, "priority": ByKey}


class QueueOrder:
    """The tasks that wait in one queue, in order. `floors`: by priority, together at most 1."""

    def __init__(self, order: OrderName, floors: Mapping[str, float] | None = None) -> None:
        self._order = order
        self._floors = dict(sorted((floors or {}).items()))
        self._waiting: dict[str, WaitingTask] = {}
        list_type = _LISTS[order]
        self._all: SortedTasks = list_type()
        self._classes = {priority: list_type() for priority in self._floors}
        self._debts = dict.fromkeys(self._floors, 0.0)

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._waiting

    def add(self, task: WaitingTask) -> None:
        """Adds a task; replaces an entry of the same id."""
        self.remove(task.task_id)
        self._waiting[task.task_id] = task
        key = self._key(task)
        self._all.add(key)
        if task.priority in self._classes:
            self._classes[task.priority].add(key)

    def remove(self, task_id: str) -> None:
        """Removes a task; harmless if it is not there."""
        task = self._waiting.pop(task_id, None)
        if task is None:
            return
        key = self._key(task)
        self._all.remove(key)
        if task.priority in self._classes:
            self._classes[task.priority].remove(key)

    def candidates(self, now: int) -> Iterator[str]:
        """Every task id once, best first, for a caller who takes the first that fits.

        Classes that are owed a hand-out come whole: a later task of theirs may fit where the first does not. Add and
        remove nothing while iterating, and ask about no other instant. Instants may go back.
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
        handed_out: dict[str, None] = {}
        while len(handed_out) < min(count, len(self)):
            owed = [priority for priority in self._owed(debts) if left[priority]]
            task_id = next(name for name in (lists[owed[0]] if owed else rest) if name not in handed_out)
            handed_out[task_id] = None
            priority = self._waiting[task_id].priority
            self._account(debts, priority, [name for name, number in left.items() if number])
            if priority in left:
                left[priority] -= 1
        return list(handed_out)

    def served(self, priority: str) -> None:
        """One task of this priority is handed out: call it for each, before or after its removal."""
        self._account(self._debts, priority, [name for name, keys in self._classes.items() if keys])

    def why(self, task_id: str, now: int) -> str:
        """Why the task has its rank, for people; raises KeyError if it does not wait here."""
        task = self._waiting[task_id]
        rank = self._all.rank(self._key(task), now)
        where = f"first of {len(self)}" if rank == 1 else f"number {rank} of {len(self)}"
        late = task.breached or task.deadline <= now
        due = f"late by {_span(now - task.deadline)}" if late else f"due in {_span(task.deadline - now)}"
        if self._order == "score":
            grown = full_score(task, now) - task.score - task.bonus
            raised = f"+ {task.bonus:.2f} for a missed deadline " if task.bonus else ""
            reason = (
                f"score {task.score + task.bonus + grown:.2f} = {task.score:.2f} for impact, doubt and compliance "
                f"{raised}+ {grown:.2f} for waiting {_span(now - task.since)}, {where} by score"
            )
        elif self._order == "priority":
            reason = f"{task.priority}, {due}: {where} by priority"
        elif task.goes_first:
            reason = f"{due}, and raised before all that was not: {where}"
        elif late:
            reason = f"{due}, after all that can still be in time: {where}"
        else:
            reason = f"{due}, {where} by deadline"
        owed = self._owed(self._debts)
        if task.priority in owed:
            reason += (
                f"; {task.priority} work goes first now, it is owed {self._floors[task.priority]:.0%} of the hand-outs"
            )
        return reason

    def _key(self, task: WaitingTask) -> Key:
        if self._order == "deadline":
            return -1 if task.goes_first else task.breached, task.deadline, task.since, task.task_id
        if self._order == "priority":
            return PRIORITY_RANK[task.priority], task.deadline, task.since, task.task_id
        return task.since - _head_start(task), task.since, task.task_id

    def _owed(self, debts: Mapping[str, float]) -> list[str]:
        """Waiting classes that are owed a hand-out, the greatest debt first."""
        owed = [priority for priority, debt in debts.items() if debt >= 1 and self._classes[priority]]
        return sorted(owed, key=lambda priority: -debts[priority])

    def _account(self, debts: dict[str, float], priority: str, waiting: list[str]) -> None:
        """Writes one hand-out into `debts`.

        A class without waiting tasks is owed nothing. Work beyond the floor is no credit for later: the share holds in
        every stretch of hand-outs, not only in the long run. While people can do the work, debts stay below the number
        of classes plus one (the greatest is paid first and the floors are together at most 1). Where no one could do
        it, the debt stops there, or it would fill the day of the first person who can.
        """
        for name, floor in self._floors.items():
            grown = debts[name] + floor - (name == priority)
            debts[name] = min(max(grown, 0.0), 1.0 + len(self._floors)) if name in waiting else 0.0


def _span(micros: int) -> str:
    """A length of time for people, to the minute; from two days on to the hour."""
    minutes = abs(micros) // _MINUTE
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"
