"""Escalation: a task goes up to those leads who may decide it, and is taken from its team or shared with it."""

from interlock.processors.desk.reviewers import unfit
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_alert
from interlock.processors.events import Event


def leads_who_may(state: DeskState, task: Task, now: int) -> tuple[str, ...]:
    """The leads who look after the queue of a task and may decide it, on duty or not."""
    return tuple(name for name in state.leads(task.queue) if unfit(task, state.reviewers[name], now) is None)


def to_leads(
    state: DeskState, task: Task, note: str, now: int, kind: str = "escalated"
) -> tuple[tuple[str, ...], Event]:
    """Only leads get the task from now on; a person who has started it may finish. Returns them, and the alert.

    Where no lead may decide it, it stays with everybody who may, and the leads of the queue are told, or the operators
    where there is none.
    """
    leads = leads_who_may(state, task, now)
    task.escalation += bool(leads)
    task.with_team = task.escalation > 0 and not leads
    task.escalation_note = note
    if task.state in ("assigned", "snoozed"):
        task.give_back()
        task.state = "waiting"
    state.keep(task)
    message = f"{task.task_id} needs a lead: {note}"
    if not leads:
        message += "; no lead may decide it, so it stays with everybody who may"
    cause = f"{task.task_id}/{now}"
    return leads, task_alert(task, kind, cause, "warning", leads or state.leads(task.queue), message, now)


def share_with_leads(task: Task, note: str) -> None:
    """The leads get the task as well as its team."""
    task.escalation += 1
    task.with_team = True
    task.escalation_note = note


def to_team(task: Task, note: str) -> None:
    """Takes an escalation back: the whole team gets the task."""
    task.escalation = 0
    task.with_team = False
    task.escalation_note = note


def went_to(task: Task, leads: tuple[str, ...]) -> str:
    """Who got an escalated task, in words."""
    if leads:
        return f"{task.task_id} went to {', '.join(leads)}"
    return f"no lead may decide {task.task_id}: it waits for everybody else who may"
