"""Going on and off duty, and whether tasks are pushed to a person."""

from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import SYNC_START_SECONDS
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.reviewers import PushPause, Reviewer
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task_records import task_changed
from interlock.processors.events import Event
from interlock.schemas import catalogue


def on_duty(state: DeskState, command: Command, now: int) -> CommandResult:
    """The reviewer gets tasks from now on."""
    me = checks.known_reviewer(state, command.actor)
    limits = _start_limits(state, me)
    if me.id in state.on_duty:
        events = resume_pushes(state, me.id)
        again = " and gets pushed tasks again" if events else ""
        return CommandResult(f"{me.id} is on duty already{again}. {limits}", None, events)
    state.on_duty[me.id] = now
    state.off_duty.pop(me.id, None)
    return CommandResult(f"{me.id} is on duty. {limits}", None, [_presence(state, me.id)])


def off_duty(state: DeskState, command: Command, now: int) -> CommandResult:
    """The reviewer gets no more tasks. What the reviewer holds waits for others, but for what was put aside."""
    me = checks.known_reviewer(state, command.actor)
    events = leave(state, me.id, me.id, now, command_id=command.command_id)
    kept = state.load(me.id)
    mine = f"; what you put aside stays yours until its deadline ({kept})" if kept else ""
    return CommandResult(f"{me.id} is off duty{mine}", None, events)


def leave(state: DeskState, reviewer: str, actor: str, now: int, *, command_id: str = "") -> list[Event]:
    """Takes a reviewer off duty. Snoozed tasks stay with somebody who will be back, not with one who was removed."""
    events = []
    if state.on_duty.pop(reviewer, None) is not None:
        state.off_duty[reviewer] = now
        state.paused.pop(reviewer, None)
        events.append(_presence(state, reviewer))
    for task in state.held(reviewer):
        if task.state == "snoozed" and reviewer in state.reviewers:
            continue
        task.give_back()
        task.state = "waiting"
        state.keep(task)
        events.append(task_changed(task, "unassigned", actor, now, command_id))
    return events


def pause_pushes(state: DeskState, reviewer: str, reason: str, now: int) -> list[Event]:
    """Nothing more is pushed to a person on duty until the person claims something or goes on duty again."""
    state.paused[reviewer] = PushPause(now, reason)
    return [_presence(state, reviewer)]


def resume_pushes(state: DeskState, reviewer: str) -> list[Event]:
    """The person is there."""
    return [_presence(state, reviewer)] if state.paused.pop(reviewer, None) is not None else []


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
    return (
        f"You have {', '.join(limits)}; if you start none in time, nothing more is pushed to you until you claim a task"
    )


def _presence(state: DeskState, reviewer: str) -> Event:
    since = state.on_duty.get(reviewer)
    pause = state.paused.get(reviewer)
    record = {
        "reviewer": reviewer,
        "on_duty": since is not None,
        "since": state.off_duty[reviewer] if since is None else since,
        "paused_since": pause.since if pause else None,
        "pause_reason": pause.reason if pause else "",
    }
    return Event(catalogue.PRESENCE, reviewer, record)
