"""Pushes waiting tasks to free people: those of queues that push, and those whose caller waits for the answer."""

from collections.abc import Sequence

import numpy as np

from interlock.processors.desk.assignment import assign
from interlock.processors.desk.attendance import present
from interlock.processors.desk.deadlines import seconds_to_start
from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import assignment_alert, task_changed
from interlock.processors.desk.timers import DESK
from interlock.processors.events import Event

# Tasks of a queue that are considered together: more than its people can be given at once.
BATCH_SIZE = 200

# More than any load costs: who did not start a task gets it again only if no one else can do it.
_PASSED_OVER_COST = 1000.0


def push(state: DeskState, now: int) -> list[Event]:
    """Assigns what can be assigned, each task to the least loaded person who may judge it."""
    reviewers = _free_reviewers(state, now)
    possible = _possible(state, reviewers, now)
    if not possible:
        return []
    tasks = [task for task, _ in possible]
    eligible = np.array([row for _, row in possible])
    cost = np.array(
        [[_PASSED_OVER_COST * (task.passed_over == reviewer.id) for reviewer in reviewers] for task in tasks]
    )
    load = np.array([state.load(reviewer.id) for reviewer in reviewers])
    capacity = np.array([reviewer.capacity for reviewer in reviewers])
    events = []
    for task, index in zip(tasks, assign(eligible, load, capacity, cost), strict=True):
        if index < 0:
            continue
        order = state.queue(task.queue, escalated=task.leads_only)
        if order is not None:
            order.served(task.priority)
        task.state = "assigned"
        task.assigned_to = reviewers[index].id
        task.assigned_until = now + seconds_to_start(state, task) * 1_000_000
        state.keep(task)
        events += [task_changed(task, "assigned", DESK, now), assignment_alert(task, now)]
    return events


def can_push(state: DeskState, now: int) -> bool:
    """Whether a waiting task can be assigned."""
    return bool(_possible(state, _free_reviewers(state, now), now))


def _possible(state: DeskState, reviewers: Sequence[Reviewer], now: int) -> list[tuple[Task, list[bool]]]:
    """The tasks to be pushed, each with who of `reviewers` may judge it. Without those that none of them may judge:
    they would only make the problem bigger, in every step while a person is free."""
    tasks = _pushable_tasks(state, now) if reviewers else []
    rows = _eligibility(tasks, reviewers, now)
    return [(task, row) for task, row in zip(tasks, rows, strict=True) if any(row)]


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


def _pushable_tasks(state: DeskState, now: int) -> list[Task]:
    tasks = {task.task_id: task for task in state.urgent(BATCH_SIZE)}
    for name in state.queue_names():
        if state.is_pushed(name):
            first = state.first_waiting(name, BATCH_SIZE, now)
            # A queue may hold tasks of a policy that pushes nothing.
            tasks.update((task.task_id, task) for task in first if state.terms(task).push)
    return list(tasks.values())


def _free_reviewers(state: DeskState, now: int) -> list[Reviewer]:
    """Everybody to whom tasks are pushed and who has room for more, in alphabetical order."""
    return [reviewer for reviewer in present(state, now) if state.load(reviewer.id) < reviewer.capacity]
