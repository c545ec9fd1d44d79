"""Which waiting task comes first.

`deadline`: the earliest first. Late tasks come after all others, because they cannot be saved any more and would make
those behind them late as well; the leads get them as well instead. `score`: the greatest weighted score first. Waiting
counts up to a day and no further, so under lasting overload a task that scores low waits until its breach or a floor.
`priority`: by priority, then by deadline, late or not.

A task whose priority was raised because its deadline had passed has a new deadline, and scores as much more as a day of
waiting gives. Late again at the highest priority, it comes before everything that was not raised so far.

A queue keeps its tasks in lanes. The tasks of a lane demand the same of people and are of one class (priority), so a
person who may not judge them passes over all of them at once.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

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
    def standing(self) -> int:
        """Less comes first, whatever the deadlines: -1 goes before all others, 1 is late and comes after them."""
        return -1 if self.goes_first else int(self.breached)

    @property
    def bonus(self) -> float:
        """What missed deadlines add to the score."""
        return self.is_raised * RAISED + self.goes_first * FIRST


class Demands(NamedTuple):
    """What a waiting task demands of people: tasks of a queue that share it have the same judges.

    `qualifications`: what they must have. `excluded`: who must not. `pushed`: the desk gives it to people by itself.
    """

    qualifications: tuple[str, ...] = ()
    excluded: frozenset[str] = frozenset()
    pushed: bool = False


_NOTHING = Demands()


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
    """The tasks that wait in one queue. `floors`: by class, its least share of the hand-outs, together at most 1."""

    def __init__(self, order: OrderName, floors: Mapping[str, float] | None = None) -> None:
        self.order = order
        self.floors = dict(sorted((floors or {}).items()))
        self._waiting: dict[str, tuple[WaitingTask, Demands]] = {}
        self._all: SortedTasks = _LISTS[order]()
        self._lanes: dict[Demands, dict[str, SortedTasks]] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._waiting

    def __iter__(self) -> Iterator[str]:
        return iter(self._waiting)

    def add(self, task: WaitingTask, demands: Demands = _NOTHING) -> None:
        """Adds a task; replaces an entry of the same id."""
        self.remove(task.task_id)
        self._waiting[task.task_id] = task, demands
        self._counts[task.priority] += 1
        key = self._key(task)
        self._all.add(key)
        lanes = self._lanes.setdefault(demands, {})
        if task.priority not in lanes:
            lanes[task.priority] = _LISTS[self.order]()
        lanes[task.priority].add(key)

    def remove(self, task_id: str) -> None:
        """Removes a task; harmless if it is not there."""
        task, demands = self._waiting.pop(task_id, (None, _NOTHING))
        if task is None:
            return
        self._counts[task.priority] -= 1
        key = self._key(task)
        self._all.remove(key)
        lanes = self._lanes[demands]
        lanes[task.priority].remove(key)
        if not len(lanes[task.priority]):
            del lanes[task.priority]
            if not lanes:
                del self._lanes[demands]

    def lanes(self) -> Mapping[Demands, Mapping[str, SortedTasks]]:
        """The tasks in lanes, by demands and class; no lane is empty."""
        return self._lanes

    def waiting_floors(self) -> list[tuple[str, float]]:
        """The floors of the classes of which a task waits."""
        return [(priority, floor) for priority, floor in self.floors.items() if floor and self._counts[priority]]

    def in_order(self, now: int) -> Iterator[str]:
        """Every id, best first. Add and remove nothing while iterating."""
        return (place[-1] for place in self._all.in_order(now))

    def task(self, task_id: str) -> WaitingTask:
        """The entry of a task; raises KeyError if it does not wait here."""
        return self._waiting[task_id][0]

    def demands(self, task_id: str) -> Demands:
        """What a task demands of people; raises KeyError if it does not wait here."""
        return self._waiting[task_id][1]

    def urgency(self, task_id: str) -> tuple[int, int, str]:
        """What compares the first tasks of several queues, each of which may have an order of its own."""
        task = self.task(task_id)
        standing = PRIORITY_RANK[task.priority] if self.order == "priority" else task.standing
        return standing, task.deadline, task_id

    def why(self, task_id: str, now: int) -> str:
        """Why the task has its rank, for people; raises KeyError if it does not wait here."""
        task = self.task(task_id)
        rank = self._all.rank(self._key(task), now)
        where = f"first of {len(self)}" if rank == 1 else f"number {rank} of {len(self)}"
        late = task.breached or task.deadline <= now
        due = f"late by {_span(now - task.deadline)}" if late else f"due in {_span(task.deadline - now)}"
        if self.order == "score":
            # Rounding must not make less than nothing of it.
            grown = max(0.0, full_score(task, now) - task.score - task.bonus)
            raised = f"+ {task.bonus:.2f} for a missed deadline " if task.bonus else ""
            reason = (
                f"score {task.score + task.bonus + grown:.2f} = {task.score:.2f} for impact, doubt and compliance "
                f"{raised}+ {grown:.2f} for waiting {_span(now - task.since)}, {where} by score"
            )
        elif self.order == "priority":
            reason = f"{task.priority}, {due}: {where} by priority"
        elif task.goes_first:
            reason = f"{due}, and raised before all that was not: {where}"
        elif late:
            reason = f"{due}, after all that can still be in time: {where}"
        else:
            reason = f"{due}, {where} by deadline"
        return reason

    def _key(self, task: WaitingTask) -> Key:
        if self.order == "deadline":
            return task.standing, task.deadline, task.since, task.task_id
        if self.order == "priority":
            return PRIORITY_RANK[task.priority], task.deadline, task.since, task.task_id
        return task.since - _head_start(task), task.since, task.task_id


def _span(micros: int) -> str:
    """A length of time for people, to the minute; from two days on to the hour."""
    minutes = abs(micros) // _MINUTE
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"
