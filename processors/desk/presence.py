"""Going on and off duty."""

from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import SYNC_START_SECONDS
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.reviewers import Absence, Reviewer
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task_records import task_changed
from interlock.processors.events import Event
from interlock.schemas import catalogue


def on_duty(state: DeskState, command: Command, now: int) -> CommandResult:
    """The reviewer gets tasks from now on."""
    me = checks.known_reviewer(state, command.actor)
    limits = _start_limits(state, me)
    if me.id in state.on_duty:
        return CommandResult(f"{me.id} is on duty already. {limits}")
    state.on_duty[me.id] = now
    state.absences.pop(me.id, None)
    return CommandResult(f"{me.id} is on duty. {limits}", None, [_presence(me.id, True, now)])


def off_duty(state: DeskState, command: Command, now: int) -> CommandResult:
    """The reviewer gets no more tasks, and what the reviewer holds waits for others."""
    me = checks.known_reviewer(state, command.actor)
    events = leave(state, me.id, me.id, now, command_id=command.command_id)
    return CommandResult(f"{me.id} is off duty", None, events)


def leave(
    state: DeskState, reviewer: str, actor: str, now: int, *, reason: str = "", command_id: str = ""
) -> list[Event]:
    """Takes a reviewer off duty; `reason`: why the desk does it by itself."""
    events = []
    if state.on_duty.pop(reviewer, None) is not None:
        state.absences[reviewer] = Absence(now, reason)
        events.append(_presence(reviewer, False, now))
    for task in state.held(reviewer):
        task.give_back()
        task.state = "waiting"
        state.keep(task)
        events.append(task_changed(task, "unassigned", actor, now, command_id))
    return events


def _start_limits(state: DeskState, me: Reviewer) -> str:
    """How long a person has to start what is pushed, before the desk takes the person to be away."""
    pushed = {
        name: queue.start_within
        for policy, _ in state.policies.values()
        for name, queue in policy.queues.items()
        if queue.assign == "push" and me.works(name)
    }
    limits = [f"{SYNC_START_SECONDS} s to start a task pushed to you whose caller waits"]
    limits += [f"{seconds} s in queue {name}" for name, seconds in sorted(pushed.items())]
    return f"You have {', '.join(limits)}; if you start none in time you are put off duty"


def _presence(reviewer: str, present: bool, now: int) -> Event:
    return Event(catalogue.PRESENCE, reviewer, {"reviewer": reviewer, "on_duty": present, "since": now})
