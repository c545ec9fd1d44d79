"""Passing a task on: escalate, take that back, reassign."""

from interlock.processors.desk import checks
from interlock.processors.desk.claiming import MAX_SNOOZE
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import reschedule
from interlock.processors.desk.escalation import to_leads, to_team, went_to
from interlock.processors.desk.hours import is_working, next_change
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import assignment_alert, task_changed
from interlock.processors.events import Event


def escalate(state: DeskState, command: Command, now: int) -> CommandResult:
    """Passes a task to the leads, to another queue, or to a named person, with a note."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    checks.undecided(state, task, now)
    if task.holder != me.id:
        checks.lead(me, "escalating what somebody else holds")
    if not command.reason_text.strip():
        raise CommandRefused("missing-reason", "say in a note what the next person must know")
    events: list[Event] = []
    if command.to_reviewer:
        events += _give(state, task, command.to_reviewer, now)
        went = _waits_for(task, f"{task.task_id} went to {command.to_reviewer}")
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


def de_escalate(state: DeskState, command: Command, now: int) -> CommandResult:
    """Takes an escalation back, with a note: the whole team gets the task again, or a named person of it.

    A person who has begun it goes on, unless that person hands it back.
    """
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    checks.undecided(state, task, now)
    if task.holder != me.id:
        checks.lead(me, "handing back what was escalated")
    if not command.reason_text.strip():
        raise CommandRefused("missing-reason", "say in a note why the team can decide it after all")
    if not task.escalation:
        raise CommandRefused("not-escalated", f"{task.task_id} is not with the leads: its team has it")
    if command.to_reviewer and task.state == "leased" and task.holder != me.id:
        raise CommandRefused("held-by-another", f"{task.task_id} has been begun and is with {checks.held_by(task)}")
    before = task.escalation, task.with_team, task.escalation_note
    to_team(task, command.reason_text)
    told: list[Event] = []
    if command.to_reviewer:
        try:
            told = _give(state, task, command.to_reviewer, now)
        except CommandRefused:
            task.escalation, task.with_team, task.escalation_note = before
            raise
    elif task.holder == me.id or task.state != "leased":
        task.give_back()
        task.state = "waiting"
    state.keep(task)
    went = f"{task.task_id} is back with its team"
    went = _waits_for(task, f"{went}, for {command.to_reviewer}") if command.to_reviewer else went
    return CommandResult(went, task, [task_changed(task, "de_escalated", me.id, now, command.command_id), *told])


def reassign(state: DeskState, command: Command, now: int) -> CommandResult:
    """A lead gives a task that no one has started to a named person."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    checks.lead(me, "reassigning")
    checks.undecided(state, task, now)
    if task.state == "leased":
        raise CommandRefused("held-by-another", f"{task.task_id} has been begun and is with {checks.held_by(task)}")
    told = _give(state, task, command.to_reviewer, now)
    events = [task_changed(task, "reassigned", me.id, now, command.command_id), *told]
    return CommandResult(_waits_for(task, f"{task.task_id} waits for {command.to_reviewer}"), task, events)


def _give(state: DeskState, task: Task, name: str, now: int) -> list[Event]:
    """Assigns a task to a named person; raises CommandRefused and changes nothing if the person cannot or must not
    judge it. Returns the alerts about it.

    The person must have room: what lies with somebody who is busy waits for nobody else. Who does not work now gets it
    when the next shift begins, and then has until the deadline to begin.
    """
    if not name:
        raise CommandRefused("invalid", "say to whom")
    other = checks.known_reviewer(state, name)
    begins = _next_shift(other, now)
    refusal = (state.unavailable(other, now) if begins is None else None) or unfit(task, other, now)
    if refusal is not None:
        raise refusal
    if task.holder != name and state.load(name) >= other.capacity:
        raise CommandRefused(
            "at-capacity",
            f"{name} has {other.capacity} tasks, as many as at once: name somebody else, or the queue or the leads",
        )
    task.give_back()
    task.assigned_to = name
    if begins is not None:
        task.state = "snoozed"
        task.snoozed_until = begins
        state.keep(task)
        return []
    task.state = "assigned"
    task.assigned_until = now + state.terms(task).start_within_seconds * 1_000_000
    state.keep(task)
    return [assignment_alert(task, now)]


def _next_shift(person: Reviewer, now: int) -> int | None:
    """When a person who does not work now works again; None if at work, or away for longer than a task can be put
    aside."""
    if is_working(person.record, now):
        return None
    begins = next_change(person.record, now)
    return begins if begins is not None and begins <= now + MAX_SNOOZE else None


def _waits_for(task: Task, went: str) -> str:
    """Where a task went, in words, and from when on it waits there."""
    return went if task.snoozed_until is None else f"{went}, from the next shift on, at {clock(task.snoozed_until)}"
