"""What must hold before a command is carried out; each check raises CommandRefused."""

from interlock.processors.desk.command import Command
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.reviewers import Reviewer, unqualified
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.schemas import wire
from interlock.schemas.catalogue import MAX_MESSAGE_BYTES

# Every record of a task repeats its verdicts. A quarter of what the topic takes, so that what was opened again can be
# decided too, whatever people write then: a verdict has at most 16 KiB, and few are needed.
MAX_TASK_BYTES = MAX_MESSAGE_BYTES // 4


def known_reviewer(state: DeskState, name: str) -> Reviewer:
    """The reviewer of that id."""
    reviewer = state.reviewers.get(name)
    if reviewer is None:
        raise CommandRefused(
            "unknown-reviewer",
            f"there is no reviewer {name!r}: enter them first, `interlock reviewers add {name}`",
        )
    return reviewer


def judged_by_holder(state: DeskState, command: Command, now: int) -> tuple[Task, Reviewer]:
    """The task that a person holds and may judge, as it was shown, and that person."""
    task = known_task(state, command.task_id)
    lease(state, task, command, now)
    me = known_reviewer(state, command.actor)
    refusal = unqualified(task, me, now)
    if refusal is not None:
        raise refusal
    same_view(task, command)
    return task, me


def known_task(state: DeskState, task_id: str) -> Task:
    """The task of that id."""
    task = state.tasks.get(task_id)
    if task is None:
        raise CommandRefused(
            "unknown-task",
            f"there is no task {task_id!r}, or it was decided so long ago that only ClickHouse knows it: then "
            "`interlock review appeal` files it again",
        )
    return task


def lead(reviewer: Reviewer, what: str) -> None:
    """Leads only."""
    if not reviewer.is_lead:
        raise CommandRefused("not-lead", f"{what} is for leads; {reviewer.id} is not a lead")


def room(task: Task, command: Command) -> None:
    """A decided task can take what `command` says, and what follows from it."""
    record = task_changed(task, command.kind, command.actor, 0).record
    assert record is not None
    size = len(wire.encode("Task", record)) + command.size
    if size > MAX_TASK_BYTES:
        raise CommandRefused(
            "case-full",
            f"{task.task_id} is full: with this its verdicts and statements have {size} bytes, and {MAX_TASK_BYTES} "
            "are possible. Its outcome stands; send the case as a new decision to have it looked at again",
        )


def undecided(state: DeskState, task: Task, now: int) -> None:
    """Not done yet."""
    if task.state == "done":
        raise CommandRefused("already-decided", _decided_by(ordinary(task, state.terms(task), now)))


def _decided_by(task: Task) -> str:
    """Who decided a task and when, in words."""
    if task.decided_at is None:
        return f"{task.task_id} is done already"
    return (
        f"{task.task_id} was already decided: {task.outcome} by {task.decided_by or 'nobody'} at "
        f"{clock(task.decided_at)}. Your draft is not sent; a lead can override, the person concerned can appeal"
    )


def lease(state: DeskState, task: Task, command: Command, now: int) -> None:
    """The command's actor holds the task under the command's epoch."""
    undecided(state, task, now)
    if task.lease_holder != command.actor:
        if task.holder not in ("", command.actor):
            raise CommandRefused("held-by-another", f"{task.task_id} is with {held_by(task)}; claim another one")
        if command.epoch and command.epoch == task.lease_epoch:
            raise CommandRefused(
                "lease-expired", f"your lease on {task.task_id} has ended: claim it again and keep your draft"
            )
        raise CommandRefused("not-held", f"claim {task.task_id} first")
    if command.epoch != task.lease_epoch:
        raise CommandRefused(
            "wrong-epoch",
            f"{task.task_id} is leased under epoch {task.lease_epoch}, not {command.epoch}: this is an old claim",
        )


def same_view(task: Task, command: Command) -> None:
    """The person was shown what the task is about."""
    if command.payload_hash != task.payload_hash:
        raise CommandRefused(
            "stale-view", f"you were shown something else than what {task.task_id} is about: read it again, then decide"
        )


def held_by(task: Task) -> str:
    """Who has a task, and until when, in words."""
    until = task.lease_until or task.assigned_until
    return f"{task.holder} until {clock(until)}" if until is not None else task.holder
