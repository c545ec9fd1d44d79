"""Pushes waiting tasks to free people: those of queues that push, and those whose caller waits for the answer."""

from collections.abc import Sequence

import numpy as np

from interlock.processors.desk.assignment import assign
from interlock.processors.desk.attendance import present
from interlock.processors.desk.deadlines import seconds_to_start
from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import DESK, Task
from interlock.processors.desk.task_records import assignment_alert, task_changed
from interlock.processors.events import Event

# Tasks that are considered together: more than people can be given at once, but in the morning.
BATCH_SIZE = 200

# More than any load costs: who did not start a task gets it again only if no one else can do it.
_PASSED_OVER_COST = 1000.0


def push(state: DeskState, now: int) -> list[Event]:
    """Assigns what can be assigned, each task to the least loaded person who may judge it."""
    reviewers = _free_reviewers(state, now)
    tasks = _pushable_tasks(state, reviewers, now)
    if not tasks:
        return []
    eligible = np.array(_eligibility(tasks, reviewers, now))
    passed_over = np.array([[task.passed_over == reviewer.id for reviewer in reviewers] for task in tasks])
    cost = np.array(state.workload.costs(tasks, reviewers, now)) + _PASSED_OVER_COST * passed_over
    load = np.array([state.load(reviewer.id) for reviewer in reviewers])
    capacity = np.array([reviewer.capacity for reviewer in reviewers])
    events = []
    for task, index in zip(tasks, assign(eligible, load, capacity, cost), strict=True):
        if index < 0:
            continue
        state.waiting.hand_out(task, reviewers[index], "", now)
        state.workload.given(reviewers[index].id, now)
        task.state = "assigned"
        task.assigned_to = reviewers[index].id
        task.assigned_until = now + seconds_to_start(state, task) * 1_000_000
        state.keep(task)
        events += [task_changed(task, "assigned", DESK, now), assignment_alert(task, now)]
    return events


def can_push(state: DeskState, now: int) -> bool:
    """Whether a waiting task can be assigned."""
    return bool(_pushable_tasks(state, _free_reviewers(state, now), now))


def _eligibility(tasks: Sequence[Task], reviewers: Sequence[Reviewer], now: int) -> list[list[bool]]:
    """For each task, who of `reviewers` may judge it; tasks of one kind have the same answer."""
    known: dict[tuple[object, ...], list[bool]] = {}
    rows = []
    for task in tasks:
        kind = (task.queue, task.qualifications, task.leads_only, task.excluded, task.involved)
        if kind not in known:
            known[kind] = [unfit(task, reviewer, now) is None for reviewer in reviewers]
        rows.append(known[kind])
    return rows


def _pushable_tasks(state: DeskState, reviewers: Sequence[Reviewer], now: int) -> list[Task]:
    """Enough for every reviewer to be given what is possible, in the order in which each would be given it."""
    groups = {found.key: found for found in (state.waiting.pushable(reviewer, now) for reviewer in reviewers)}
    room = sum(reviewer.capacity - state.load(reviewer.id) for reviewer in reviewers)
    places: dict[str, int] = {}
    for group in groups.values():
        for place, task_id in enumerate(group.first(min(room, BATCH_SIZE), now)):
            places[task_id] = min(place, places.get(task_id, place))
    tasks = [state.tasks[task_id] for task_id in places]
    tasks.sort(key=lambda task: (places[task.task_id], not task.is_urgent, task.deadline, task.task_id))
    return tasks[:BATCH_SIZE]


def _free_reviewers(state: DeskState, now: int) -> list[Reviewer]:
    """Everybody to whom tasks are pushed and who has room for more, in alphabetical order."""
    return [reviewer for reviewer in present(state, now) if state.load(reviewer.id) < reviewer.capacity]
