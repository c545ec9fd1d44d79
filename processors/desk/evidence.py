"""Meaningful involvement: whoever gives a verdict has opened the evidence and declares what a pack asks for."""

from interlock.policy.review import Terms
from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.reviewers import same_person, unqualified
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed


def open_evidence(state: DeskState, command: Command, now: int) -> CommandResult:
    """Notes that a person unfolds the evidence of a task: of one that the person holds, or, since what is in force may
    be overridden without holding it, of one that has an outcome."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    if not ordinary(task, state.terms(task), now).took_effect:
        checks.lease(state, task, command, now)
    refusal = unqualified(task, me, now)
    if me.id in task.parties:
        refusal = same_person(task, me.id)
    if refusal is not None:
        raise refusal
    checks.same_view(task, command)
    opened = task.evidence_opened_by(me.id)
    if opened is not None:
        return CommandResult(f"you have opened the evidence of {task.task_id} at {clock(opened)}", task)
    task.evidence_opened = (*task.evidence_opened, {"reviewer": me.id, "at": now})
    state.keep(task)
    events = [task_changed(task, "evidence_opened", me.id, now, command.command_id)]
    return CommandResult(f"noted: you have opened the evidence of {task.task_id}", task, events)


def check_involvement(task: Task, command: Command, terms: Terms) -> None:
    """Raises CommandRefused for a verdict without the evidence opened, or the declarations, that `terms` ask for."""
    if terms.evidence_opened and task.evidence_opened_by(command.actor) is None:
        raise CommandRefused(
            "evidence-not-opened",
            f"{command.actor} has not opened the evidence of {task.task_id}, which must be looked at before it is "
            f"decided: `interlock review evidence {task.task_id}`",
        )
    missing = [text for text in terms.attestations if text not in command.attestations]
    if missing:
        raise CommandRefused(
            "missing-attestation",
            f"whoever decides {task.task_id} declares: {'; '.join(f'“{text}”' for text in missing)}. Declare only what "
            "is true; who cannot gives the task back",
        )
