"""Giving waiting tasks to people who are free: those of queues that are pushed, and those whose caller waits too."""

from collections.abc import Sequence

import numpy as np

from interlock.processors.desk.assignment import assign
from interlock.processors.desk.reviewers import Reviewer, available, unfit
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.processors.desk.timers import DESK
from interlock.processors.events import Event

# As many as are looked at together for each queue: more than the people of a queue can be given at once.
AT_ONCE = 200

# A caller waits: whoever is given the task begins within a minute, or somebody else does.
SYNC_START_SECONDS = 60

# Dearer than any load: somebody who did not begin a task gets it again only if nobody else can.
_PASSED_OVER = 1000.0


def push(state: DeskState, now: int) -> list[Event]:
    """Assigns what can be assigned, each task to the least loaded person who may judge it."""
    people = _free(state, now)
    tasks = _to_push(state, now) if people else []
    fits = _fits(tasks, people, now)
    # What none of them may judge would only make the problem bigger, in every step while somebody is free.
    tasks = [task for task, row in zip(tasks, fits, strict=True) if any(row)]
    if not tasks:
        return []
    eligible = np.array([row for row in fits if any(row)])
    cost = np.array([[_PASSED_OVER * (task.passed_over == one.id) for one in people] for task in tasks])
    load = np.array([state.load(one.id) for one in people])
    capacity = np.array([one.capacity for one in people])
    made = []
    for task, place in zip(tasks, assign(eligible, load, capacity, cost), strict=True):
        if place < 0:
            continue
        seconds = state.terms(task).start_within_seconds
        if task.route == "sync":
            seconds = min(seconds, SYNC_START_SECONDS)
        order = state.queue(task.queue, escalated=task.escalation > 0)
        if order is not None:
            order.served(task.priority)
        task.state = "assigned"
        task.assigned_to = people[place].id
        task.assigned_until = now + seconds * 1_000_000
        state.keep(task)
        made.append(task_changed(task, "assigned", DESK, now))
    return made


def _fits(tasks: Sequence[Task], people: Sequence[Reviewer], now: int) -> list[list[bool]]:
    """For each task, who of `people` may judge it. The same goes for all tasks of a kind that nobody passed on."""
    known: dict[tuple[object, ...], list[bool]] = {}
    rows = []
    for task in tasks:
        kind = (task.queue, task.qualifications, task.escalation > 0, task.excluded)
        if kind not in known:
            known[kind] = [unfit(task, one, now) is None for one in people]
        rows.append(known[kind])
    return rows


def _to_push(state: DeskState, now: int) -> list[Task]:
    found = {task.task_id: task for task in state.urgent(AT_ONCE)}
    for name in state.queue_names():
        if state.is_pushed(name):
            first = state.first_waiting(name, AT_ONCE, now)
            # A queue may hold tasks of a policy that pushes nothing.
            found.update((task.task_id, task) for task in first if state.terms(task).push)
    return list(found.values())


def _free(state: DeskState, now: int) -> list[Reviewer]:
    """Everybody on duty, at work, and with room for more, in alphabetical order."""
    return [
        one
        for name in sorted(state.on_duty)
        if (one := state.reviewers.get(name)) is not None
        and state.load(name) < one.capacity
        and available(one, True, now) is None
    ]
