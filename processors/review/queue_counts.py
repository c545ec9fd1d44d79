"""How the queues stand: counted from open tasks, for `interlock queues` and the checklist."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from interlock.policy.vocabulary import Priority
from interlock.processors.review.open_task import OpenTask
from interlock.processors.review.times import HOUR, SECOND

# A reviewer who looks now can still save what is due within the hour.
SOON_SECONDS = HOUR


@dataclass(frozen=True)
class QueueCounts:
    """One queue now. `oldest_seconds`: age of the oldest open task; `overdue` and `due_soon` count open tasks of any
    state, since a snoozed or claimed one breaches its deadline as well. `by_priority`: most urgent first."""

    queue: str
    open: int
    waiting: int
    assigned: int
    leased: int
    snoozed: int
    overdue: int
    due_soon: int
    oldest_seconds: int
    by_priority: dict[str, int]


def count_queues(open_tasks: Iterable[OpenTask], now: int) -> list[QueueCounts]:
    """Every queue that has open tasks, by name; `now` in microseconds since the epoch."""
    by_queue: dict[str, list[OpenTask]] = {}
    for task in open_tasks:
        by_queue.setdefault(task.queue, []).append(task)
    return [_count(queue, by_queue[queue], now) for queue in sorted(by_queue)]


def _count(queue: str, tasks: list[OpenTask], now: int) -> QueueCounts:
    states = Counter(task.state for task in tasks)
    priorities = Counter(task.priority for task in tasks)
    remaining = [task.deadline - now for task in tasks]
    return QueueCounts(
        queue=queue,
        open=len(tasks),
        waiting=states["waiting"],
        assigned=states["assigned"],
        leased=states["leased"],
        snoozed=states["snoozed"],
        overdue=sum(time < 0 for time in remaining),
        due_soon=sum(0 <= time < SOON_SECONDS * SECOND for time in remaining),
        oldest_seconds=max(0, now - min(task.arrived_at for task in tasks)) // SECOND,
        by_priority={str(priority): priorities[priority] for priority in Priority if priorities[priority]},
    )
