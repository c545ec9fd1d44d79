"""Gold items: decided cases whose right answer is known, planted to see how well people judge."""

from interlock.processors.desk import checks
from interlock.processors.desk.arms import draw_arm
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import reschedule
from interlock.processors.desk.plausible_ids import plausible_id
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task_records import task_changed


def plant_gold(state: DeskState, command: Command, now: int) -> CommandResult:
    """A lead plants a decided case as an item with a known answer, which the reviewer cannot tell from others."""
    decided = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    checks.lead(me, "planting gold items")
    outcomes = state.terms(decided).outcomes
    if decided.state != "done" or decided.kind == "gold":
        raise CommandRefused("not-decided", f"{decided.task_id} is not decided yet: its answer is not known")
    if not command.outcome:
        raise CommandRefused("missing-outcome", "say which outcome is right")
    if outcomes and command.outcome not in outcomes:
        raise CommandRefused("unknown-outcome", f"{command.outcome!r} is not possible here: {', '.join(outcomes)}")
    # Decided tasks are packed, and millions: only whether one has an id is asked.
    task_id = plausible_id(decided.decision_id, command.command_id, state.tasks, state.tasks.unpacked)
    task = decided.copy_as_gold(task_id, command.outcome, now)
    draw_arm(state, task, now)
    task.exclude(me.id, *(verdict["reviewer"] for verdict in decided.verdicts))
    reschedule(state, task, now)
    state.keep(task)
    events = [task_changed(task, "arrived", me.id, now, command.command_id)]
    return CommandResult(f"{task.task_id} waits in queue {task.queue}", task, events)
