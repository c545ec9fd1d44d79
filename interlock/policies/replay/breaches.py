"""Which tasks would be late at the present staffing: a seeded simulation with the desk's own order.

People take the first task of their queues that they are qualified for, as the desk hands it out, floors included; each
task takes as long as one of the past did. What a breach leads to (a raised priority, an escalation) is left out, and so
is work of other policies.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interlock.policy.calendars import due
from interlock.policy.duties import qualifications
from interlock.policy.model import Policy, Queue
from interlock.processors.desk.order import QueueOrder, WaitingTask, score
from interlock.processors.desk.reviewers import holds
from interlock.processors.desk.turns import Debts, OpenLane, floors_of, in_turn

_SECOND = 1_000_000
_HOUR = 3600 * _SECOND

# Tasks that all runs together take, which is some twenty seconds. At least as many runs as show how far they differ, at
# most as many as an interval of 90 % needs.
_BUDGET = 200_000
_FEWEST, _MOST = 3, 20

_PLAIN = Queue()


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Tasks that came in the hour from `hour` on, in microseconds: `certain`, and so many more on average by chance."""

    queue: str
    priority: str
    hour: int
    certain: int
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody works these queues from `begin` until `end`, in microseconds. `qualifications`: until when each counts,
    None: for ever; instead of all None where the roster has nothing of the person, who then counts as qualified."""

    reviewer: str
    begin: int
    end: int
    queues: frozenset[str]
    qualifications: Mapping[str, int | None] | None = None


@dataclass(frozen=True, slots=True)
class Staffing:
    """Who worked when, and by queue how long tasks took, in microseconds."""

    shifts: Sequence[Shift]
    services: Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Late:
    """Of the tasks of a queue that are due by the end: how many are not decided in time. Means over all runs, `low` to
    `high` the range of nine in ten runs."""

    queue: str
    due: float
    late: float
    low: float
    high: float


def breaches(policy: Policy, arrivals: Sequence[Arrivals], staffing: Staffing, end: int) -> tuple[Late, ...]:
    """By queue, until `end`; nothing where nobody works or no task has been timed."""
    tasks = sum(one.certain + one.chance for one in arrivals)
    if not staffing.shifts or not any(staffing.services.values()) or not 0 < tasks <= _BUDGET:
        return ()
    runs = min(_MOST, max(_FEWEST, int(_BUDGET / tasks)))
    results = [_run(policy, arrivals, staffing, end, seed) for seed in range(runs)]
    queues = sorted({one.queue for one in arrivals})
    found = []
    for queue in queues:
        late = [float(run_late[queue]) for _, run_late in results]
        low, high = np.quantile(late, (0.05, 0.95))
        mean_due = float(np.mean([run_due[queue] for run_due, _ in results]))
        found.append(Late(queue, mean_due, float(np.mean(late)), float(low), float(high)))
    return tuple(found)


def _run(
    policy: Policy, arrivals: Sequence[Arrivals], staffing: Staffing, end: int, seed: int
) -> tuple[Counter[str], Counter[str]]:
    """How many tasks of each queue are due by the end, and how many of these are late."""
    random = np.random.default_rng(seed)
    tasks = _tasks(policy, arrivals, random)
    desk = _Desk(policy)
    everyone = [service for services in staffing.services.values() for service in services]
    due_by_end: Counter[str] = Counter(queue for queue, task in tasks if task.deadline <= end)
    in_time: Counter[str] = Counter()
    queue_of = {task.task_id: queue for queue, task in tasks}
    shifts = sorted(staffing.shifts, key=lambda shift: (shift.begin, shift.reviewer))
    free = [(shift.begin, number) for number, shift in enumerate(shifts)]
    heapq.heapify(free)
    arrived = 0
    while free:
        now, number = heapq.heappop(free)
        shift = shifts[number]
        if now >= shift.end:
            continue
        while arrived < len(tasks) and tasks[arrived][1].since <= now:
            desk.put(*tasks[arrived])
            arrived += 1
        task = desk.take(shift, now)
        if task is None:
            if arrived < len(tasks):
                heapq.heappush(free, (tasks[arrived][1].since, number))
            continue
        queue = queue_of[task.task_id]
        services = staffing.services.get(queue) or everyone
        done = now + services[int(random.integers(len(services)))]
        in_time[queue] += done <= task.deadline <= end
        heapq.heappush(free, (done, number))
    return due_by_end, due_by_end - in_time


def _tasks(policy: Policy, arrivals: Sequence[Arrivals], random: np.random.Generator) -> list[tuple[str, WaitingTask]]:
    """With their queues, in the order of arrival."""
    levels = policy.service_levels.model_dump()
    tasks: list[tuple[str, WaitingTask]] = []
    for cell in arrivals:
        calendar = policy.queues.get(cell.queue, _PLAIN).calendar
        for _ in range(cell.certain + int(random.poisson(cell.chance))):
            since = cell.hour + int(random.integers(_HOUR))
            impact, confidence = random.random(2)
            task = WaitingTask(
                task_id=f"{len(tasks):07}",
                priority=cell.priority,
                deadline=due(since, levels[cell.priority], calendar),
                score=score(float(impact), float(confidence), compliance=False),
                since=since,
                breached=False,
            )
            tasks.append((cell.queue, task))
    return sorted(tasks, key=lambda item: item[1].since)


class _Desk:
    """The queues, in the order in which the desk hands their tasks out."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._orders: dict[str, QueueOrder] = {}
        self._needed: dict[str, tuple[str, ...]] = {}
        self._debts: dict[frozenset[str], Debts] = {}
        self._deadlines: list[tuple[int, str, str]] = []

    def put(self, queue: str, task: WaitingTask) -> None:
        if queue not in self._orders:
            described = self._policy.queues.get(queue, _PLAIN)
            floors = {str(priority): share for priority, share in described.floors.items()}
            self._orders[queue] = QueueOrder(described.order, floors)
            self._needed[queue] = qualifications(self._policy, described)
        self._orders[queue].add(task)
        heapq.heappush(self._deadlines, (task.deadline, queue, task.task_id))

    def take(self, shift: Shift, now: int) -> WaitingTask | None:
        """Removes the task that somebody of this shift is given; None if none waits that the person may do."""
        self._note_late(now)
        open_to = sorted(queue for queue in shift.queues & self._orders.keys() if self._may_do(shift, queue, now))
        orders = [self._orders[queue] for queue in open_to]
        lanes = [
            OpenLane(order, priority, lane)
            for order in orders
            for lanes in order.lanes().values()
            for priority, lane in lanes.items()
        ]
        if not lanes:
            return None
        debts = self._debts.setdefault(shift.queues, Debts())
        task_id = next(in_turn(lanes, debts, now))
        order = next(order for order in orders if task_id in order)
        task = order.task(task_id)
        debts.hand_out(floors_of(lanes), task.priority)
        order.remove(task_id)
        return task

    def _may_do(self, shift: Shift, queue: str, now: int) -> bool:
        return shift.qualifications is None or holds(shift.qualifications, self._needed[queue], now)

    def _note_late(self, now: int) -> None:
        while self._deadlines and self._deadlines[0][0] <= now:
            _, queue, task_id = heapq.heappop(self._deadlines)
            order = self._orders[queue]
            if task_id in order:
                order.add(replace(order.task(task_id), breached=True))
