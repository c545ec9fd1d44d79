"""Going on and off duty."""

from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.replies import Answer
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task_records import task_changed
from interlock.processors.events import Event
from interlock.schemas import catalogue


def on_duty(state: DeskState, command: Command, now: int) -> Answer:
    """The reviewer gets tasks from now on."""
    me = checks.known_reviewer(state, command.actor)
    if me.id in state.on_duty:
        return Answer(f"{me.id} is on duty already")
    state.on_duty[me.id] = now
    return Answer(f"{me.id} is on duty", None, [_presence(me.id, True, now)])


def off_duty(state: DeskState, command: Command, now: int) -> Answer:
    """The reviewer gets no more tasks, and what the reviewer holds waits for others."""
    me = checks.known_reviewer(state, command.actor)
    made = leave(state, me.id, me.id, now, command.command_id)
    return Answer(f"{me.id} is off duty", None, made)


def leave(state: DeskState, reviewer: str, actor: str, now: int, command_id: str = "") -> list[Event]:
    """Takes somebody off duty."""
    made = []
    if state.on_duty.pop(reviewer, None) is not None:
        made.append(_presence(reviewer, False, now))
    for task in state.held(reviewer):
        task.give_back()
        task.state = "waiting"
        state.keep(task)
        made.append(task_changed(task, "unassigned", actor, now, command_id))
    return made


def _presence(reviewer: str, present: bool, now: int) -> Event:
    return Event(catalogue.PRESENCE, reviewer, {"reviewer": reviewer, "on_duty": present, "since": now})
