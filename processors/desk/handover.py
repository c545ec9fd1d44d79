"""Passing a task on: escalate, reassign."""

from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import reschedule
from interlock.processors.desk.escalation import to_leads, to_team, went_to
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.reviewers import unfit
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import assignment_alert, task_changed
from interlock.processors.events import Event


def escalate(state: DeskState, command: Command, now: int) -> CommandResult:
    """Passes a task to the leads, to another queue, or to a named person, with a note."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    checks.undecided(task)
    if task.holder != me.id:
        checks.lead(me, "escalating what somebody else holds")
    if not command.reason_text.strip():
        raise CommandRefused("missing-reason", "say in a note what the next person must know")
    events: list[Event] = []
    if command.to_reviewer:
        events.append(_give(state, task, command.to_reviewer, now))
        went = f"{task.task_id} went to {command.to_reviewer}"
    elif command.queue:
        if command.queue not in state.known_queues():
            known = ", ".join(sorted(state.known_queues()))
            raise CommandRefused("wrong-queue", f"there is no queue {command.queue!r}: {known}")
        task.give_back()
        task.state = "waiting"
        task.queue = command.queue
        to_team(task, command.reason_text)
        reschedule(state, task, now)
        state.keep(task)
        went = f"{task.task_id} went to queue {command.queue}"
    else:
        task.give_back()
        task.state = "waiting"
        leads, told = to_leads(state, task, command.reason_text, now)
        events.append(told)
        went = went_to(task, leads)
    task.escalation_note = command.reason_text
    events.append(task_changed(task, "escalated", me.id, now, command.command_id))
    return CommandResult(went, task, events)


def reassign(state: DeskState, command: Command, now: int) -> CommandResult:
    """A lead gives a task that no one has started to a named person."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    checks.lead(me, "reassigning")
    checks.undecided(task)
    if task.state == "leased":
        raise CommandRefused("held-by-another", f"{task.task_id} has been begun and is with {checks.held_by(task)}")
    alert = _give(state, task, command.to_reviewer, now)
    events = [task_changed(task, "reassigned", me.id, now, command.command_id), alert]
    return CommandResult(f"{task.task_id} waits for {command.to_reviewer}", task, events)


def _give(state: DeskState, task: Task, name: str, now: int) -> Event:
    """Assigns a task to a named person and returns the alert about it; raises CommandRefused and changes nothing if the
    person cannot or must not judge it.

    The person must have room: what lies with somebody who is busy waits for nobody else.
    """
    if not name:
        raise CommandRefused("invalid", "say to whom")
    other = checks.known_reviewer(state, name)
    refusal = state.unavailable(other, now) or unfit(task, other, now)
    if refusal is not None:
        raise refusal
    if task.holder != name and state.load(name) >= other.capacity:
        raise CommandRefused(
            "at-capacity",
            f"{name} has {other.capacity} tasks, as many as at once: name somebody else, or the queue or the leads",
        )
    task.give_back()
    task.state = "assigned"
    task.assigned_to = name
    task.assigned_until = now + state.terms(task).start_within_seconds * 1_000_000
    state.keep(task)
    return assignment_alert(task, now)
