"""The tasks that wait, by what they demand of people, so that a claim costs nothing for what a person may not do."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import NamedTuple

from sortedcontainers import SortedSet

from interlock.policy.review import Terms
from interlock.processors.desk.order import PRIORITY_RANK, Demands, OrderName, QueueOrder, WaitingTask
from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.task import Task
from interlock.processors.desk.turns import Debts, OpenLane, in_turn, shares

# Where many people have judged or passed on a few tasks each, more than so many lanes wait, and the first tasks of a
# queue are looked at one by one: a lane costs some 5 µs, a task 8, and a person may do one of the first few.
_MANY_LANES = 200
_LOOKED_AT = 100


class _Line(NamedTuple):
    """The tasks of a queue that wait for its team, or those that wait for its leads; some wait for both."""

    queue: str
    leads: bool


class Turn(NamedTuple):
    """The task whose turn it is; `owed`: the share of the hand-outs because of which it goes first, else 0."""

    task: Task
    owed: float = 0.0


class WaitingTasks:
    """What waits, in lanes. A task is found under what it was when it was added."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._placed: dict[str, tuple[_Line, ...]] = {}
        self._lines: dict[_Line, QueueOrder] = {}
        self._urgent: dict[tuple[_Line, Demands], SortedSet] = {}
        self._urgently: dict[str, tuple[tuple[_Line, Demands], int]] = {}
        # By the queues that people serve, None for all of them.
        self._debts: dict[frozenset[str] | None, Debts] = {}

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._tasks

    def add(self, task: Task, terms: Terms) -> None:
        """Adds a task that does not wait here yet. `terms`: what the policy in force says about it."""
        lines = _lines(task)
        # All that `unfit` asks of a task, but for what all tasks of a line share.
        demands = Demands(task.qualifications, task.involved.union(task.excluded), terms.push)
        entry = WaitingTask(
            task.task_id,
            task.priority,
            task.deadline,
            task.score,
            task.due_from,
            task.breached,
            is_raised=task.raised_at is not None,
        )
        for line in lines:
            if line not in self._lines:
                self._lines[line] = QueueOrder(*_order(line, terms))
            self._lines[line].add(entry, demands)
        self._tasks[task.task_id] = task
        self._placed[task.task_id] = lines
        if task.is_urgent:
            self._urgent.setdefault((lines[0], demands), SortedSet()).add((task.arrived_at, task.task_id))
            self._urgently[task.task_id] = (lines[0], demands), task.arrived_at

    def remove(self, task_id: str) -> None:
        """Removes a task; harmless if it does not wait."""
        for line in self._placed.pop(task_id, ()):
            self._lines[line].remove(task_id)
            if not len(self._lines[line]):
                del self._lines[line]
        self._tasks.pop(task_id, None)
        lane, arrived_at = self._urgently.pop(task_id, (None, 0))
        if lane is not None:
            self._urgent[lane].remove((arrived_at, task_id))
            if not self._urgent[lane]:
                del self._urgent[lane]

    def reorder(self, terms_of: Callable[[Task], Terms]) -> None:
        """Files anew what the policy in force orders otherwise, or pushes and did not push, or the other way round."""
        for line in list(self._lines):
            order = self._lines[line]
            tasks = [self._tasks[task_id] for task_id in order]
            kind, floors = _order(line, terms_of(tasks[0]))
            if (order.order, order.floors) != (kind, floors) or any(
                terms_of(task).push != order.demands(task.task_id).pushed for task in tasks
            ):
                for task in tasks:
                    self.remove(task.task_id)
                for task in tasks:
                    self.add(task, terms_of(task))

    def queue_names(self) -> set[str]:
        """Every queue in which a task waits."""
        return {line.queue for line in self._lines}

    def next_for(self, me: Reviewer, queue: str, now: int) -> Turn | None:
        """The best task for a person in one queue, or in all of theirs.

        For leads what went up to them is among it, by priority and deadline: it may be late.
        """
        turns = [self._turn(me, queue, now, leads=False)]
        if me.is_lead:
            turns.append(self._turn(me, queue, now, leads=True))
        return min(filter(None, turns), key=_rank, default=None)

    def hand_out(self, task: Task, me: Reviewer, queue: str, now: int) -> None:
        """A waiting task is handed out: call it for each, before its removal. `queue`: the one that was asked for.

        What went up to the leads alone counts for no floor.
        """
        line = self._placed[task.task_id][0]
        floors = {} if line.leads else self._floors(me, self._orders(me, queue, leads=False), now)
        if floors:
            floor = self._lines[line].floors.get(task.priority, 0.0)
            self._debts_of(me, queue).hand_out(floors, task.priority if floor else "")

    def why(self, task_id: str, now: int) -> str:
        """Why a waiting task has its rank, for people."""
        return self._lines[self._placed[task_id][0]].why(task_id, now)

    def callers(self) -> list[Task]:
        """Of the tasks whose callers wait, the first of each kind that the same people may judge, as they came."""
        return [self._tasks[task_id] for _, task_id in sorted(lane[0] for lane in self._urgent.values())]

    def pushable(self, me: Reviewer, now: int) -> "Pushable":
        """What may be pushed to a person: what has a caller who waits, and what queues push."""
        urgent = tuple(lane for lane in self._urgent.values() if self._may(me, lane[0][1], now))
        lanes = tuple(self._lanes(me, "", now, pushed=True))
        return Pushable(urgent, lanes, self._debts_of(me, ""))

    def _turn(self, me: Reviewer, queue: str, now: int, *, leads: bool) -> Turn | None:
        """The best for a person of what waits for a team, or for `leads`; what went up to these counts for no floor."""
        orders = self._orders(me, queue, leads=leads)
        debts, floors = Debts() if leads else self._debts_of(me, queue), self._floors(me, orders, now)
        owed = debts.owed(floors)
        firsts = None if owed else self._firsts(me, orders, now)
        if firsts is not None:
            return Turn(self._tasks[min(firsts)[-1]]) if firsts else None
        lanes = self._lanes(me, queue, now, leads=leads)
        if not lanes:
            return None
        task = self._tasks[next(in_turn(lanes, debts, now))]
        return Turn(task, floors[task.priority] if task.priority in owed else 0.0)

    def _firsts(self, me: Reviewer, orders: list[QueueOrder], now: int) -> list[tuple[int, int, str]] | None:
        """The urgency, which ends with the id, of the first task in each queue that a person may do; None where it must
        be found in the lanes: they are few, or a queue begins with much that the person may not do."""
        if sum(len(order.lanes()) for order in orders) <= _MANY_LANES:
            return None
        firsts = []
        for order in orders:
            begin = islice(order.in_order(now), _LOOKED_AT)
            first = next((task_id for task_id in begin if self._may(me, task_id, now)), None)
            if first is not None:
                firsts.append(order.urgency(first))
            elif len(order) > _LOOKED_AT:
                return None
        return firsts

    def _floors(self, me: Reviewer, orders: list[QueueOrder], now: int) -> dict[str, float]:
        """By class of which there is a task that the person may do, the share of the hand-outs that it is owed."""
        return shares(
            (priority, floor)
            for order in orders
            for priority, floor in order.waiting_floors()
            if any(
                priority in classes and self._may(me, classes[priority].any_id(), now)
                for classes in order.lanes().values()
            )
        )

    def _orders(self, me: Reviewer, queue: str, *, leads: bool) -> list[QueueOrder]:
        """The queues of a person, or one of them, as they wait for the team or for `leads`."""
        names = [queue] if queue else None if _serves_all(me) else me.queues
        if names is None:
            return [order for line, order in self._lines.items() if line.leads == leads]
        lines = (_Line(name, leads) for name in names)
        return [self._lines[line] for line in lines if line in self._lines]

    def _lanes(
        self, me: Reviewer, queue: str, now: int, *, leads: bool = False, pushed: bool = False
    ) -> list[OpenLane]:
        """What a person may do of what waits for a team, or for `leads`, in one queue or in all; or the pushed part."""
        return [
            OpenLane(order, priority, lane)
            for order in self._orders(me, queue, leads=leads)
            for demands, classes in order.lanes().items()
            if demands.pushed or not pushed
            if self._may(me, next(iter(classes.values())).any_id(), now)
            for priority, lane in classes.items()
        ]

    def _may(self, me: Reviewer, task_id: str, now: int) -> bool:
        return unfit(self._tasks[task_id], me, now) is None

    def _debts_of(self, me: Reviewer, queue: str) -> Debts:
        queues = frozenset({queue}) if queue else None if _serves_all(me) else me.queues
        return self._debts.setdefault(queues, Debts())


def _order(line: _Line, terms: Terms) -> tuple[OrderName, dict[str, float]]:
    """How a line is ordered and what floors it has, by the policy of one of its tasks.

    What went up to the leads comes by priority in every queue: they take it among the rest, from all queues.
    """
    return ("priority", {}) if line.leads else (terms.order, dict(sorted(terms.floors.items())))


def _lines(task: Task) -> tuple[_Line, ...]:
    """Where a task waits: for its team, for the leads, or for both."""
    team, leads = _Line(task.queue, leads=False), _Line(task.queue, leads=True)
    if task.leads_only:
        return (leads,)
    return (team, leads) if task.escalation else (team,)


def _rank(turn: Turn) -> tuple[int, int, str]:
    return PRIORITY_RANK[turn.task.priority], turn.task.deadline, turn.task.task_id


def _serves_all(me: Reviewer) -> bool:
    return me.is_lead or not me.queues


@dataclass(frozen=True, slots=True)
class Pushable:
    """What may be pushed to people who may do the same and serve the same queues."""

    urgent: tuple[SortedSet, ...]
    lanes: tuple[OpenLane, ...]
    debts: Debts

    @property
    def key(self) -> Hashable:
        """Equal for people with the same tasks in the same order."""
        return tuple(map(id, self.urgent)), tuple(id(each.lane) for each in self.lanes), id(self.debts)

    def first(self, count: int, now: int) -> list[str]:
        """The first `count` task ids: those with a caller in the order in which they came, then the others in turn."""
        urgent = (task_id for _, task_id in merge(*self.urgent))
        in_time = in_turn(self.lanes, self.debts, now)
        return list(islice(dict.fromkeys((*islice(urgent, count), *islice(in_time, count))), count))
