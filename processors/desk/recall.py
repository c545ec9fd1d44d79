"""What took effect without a person comes to people after all, because its model is not trusted any more."""

from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import reschedule
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed

# Whoever halts a model wants to know within hours what it has done, and what waits with its caller still goes first.
_PRIORITY = "high"


def recall(state: DeskState, command: Command, now: int) -> CommandResult:
    """Makes a review of a decision that no person has judged, while it can be rolled back. It stays open until somebody
    judges it, also beyond the override window; a verdict for another outcome rolls back what was done."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    checks.lead(me, "recalling decisions")
    if not command.reason_text.strip():
        raise CommandRefused("missing-reason", "say why the decision must be looked at: its reviewer reads it")
    looks = ordinary(task, state.terms(task), now)
    if not looks.took_effect:
        raise CommandRefused("not-decided", f"{task.task_id} has not taken effect: there is nothing to recall")
    if looks.verdicts:
        raise CommandRefused("judged-by-people", f"a person has judged {task.task_id}: override it, or appeal")
    if looks.state != "done" and not looks.is_optional:
        return CommandResult(f"{task.task_id} is with people already", task)
    if looks.override_until is None or now >= looks.override_until:
        raise CommandRefused(
            "window-closed", f"{task.task_id} cannot be rolled back any more: now only an appeal helps"
        )
    checks.room(task, command)
    message = f"{task.task_id} waits in queue {task.queue} to be judged"
    if task.kind == "gold":
        # Nothing took effect. Whoever judges it must not be shown what an audit does not show.
        return CommandResult(message, task)
    _reopen(state, task, now)
    task.escalation_note = command.reason_text
    return CommandResult(message, task, [task_changed(task, "recalled", me.id, now, command.command_id)])


def _reopen(state: DeskState, task: Task, now: int) -> None:
    task.kind = "recall"
    if task.state == "done":
        task.state = "waiting"
    # It is no sample of its model any more, which is filed under when its service level began.
    state.keep(task)
    task.priority = _PRIORITY if task.priority in ("low", "medium") else task.priority
    task.blind = False
    task.final_at = None
    task.due_from = now
    task.raised_at = None
    task.warned = task.breached = False
    reschedule(state, task, now)
    state.keep(task)
