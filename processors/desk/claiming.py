"""Holding a task: claim, extend, release, snooze."""

from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.deciders import open_up
from interlock.processors.desk.presence import resume_pushes
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.reviewers import Reviewer, unfit
from interlock.processors.desk.state import DeskState, hold, longest_hold
from interlock.processors.desk.task import Task
from interlock.processors.desk.task_records import task_changed
from interlock.processors.desk.waiting import Turn

_SECOND = 1_000_000

# Who wants to put a task aside for longer should give it back.
MAX_SNOOZE = 7 * 86_400 * _SECOND


def claim(state: DeskState, command: Command, now: int) -> CommandResult:
    """Leases a named task, or the best one for the reviewer."""
    me = checks.known_reviewer(state, command.actor)
    refusal = state.unavailable(me, now)
    if refusal is not None:
        raise refusal
    task, owed = (
        Turn(_named(state, command.task_id, me, now)) if command.task_id else _next(state, command.queue, me, now)
    )
    if task.lease_holder == me.id:
        return CommandResult(f"{task.task_id} is yours until {clock(task.lease_until or now)}", task)
    if task.assigned_to != me.id and state.load(me.id) >= me.capacity:
        raise CommandRefused(
            "at-capacity", f"{me.id} has {me.capacity} tasks, as many as at once: finish or release one"
        )
    why = ""
    if task.task_id in state.waiting:
        why = f": {state.waiting.why(task.task_id, now)}"
        if owed:
            why += f"; {task.priority} work goes first now, it is owed {owed:.0%} of the hand-outs"
        state.waiting.hand_out(task, me, command.queue, now)
        state.workload.given(me.id, now)
    elif task.assigned_to == me.id:
        why = ": it was assigned to you"
    pause = state.paused.get(me.id)
    if pause is not None:
        why += f". {_sentence(pause.words())}; from now on it is again"
    task.give_back()
    task.state = "leased"
    task.lease_holder = me.id
    task.lease_epoch += 1
    task.lease_since = now
    # Who has said so once has seen the answer since.
    task.blind = task.blind and not (task.decides_first and task.first_opinion_of(me.id))
    hold(task, now, state.terms(task))
    state.keep(task)
    events = [task_changed(task, "claimed", me.id, now, command.command_id), *resume_pushes(state, me.id)]
    return CommandResult(f"{task.task_id} is yours until {clock(task.lease_until or now)}{why}", task, events)


def extend(state: DeskState, command: Command, now: int) -> CommandResult:
    """Starts the lease's time again, until the person has held the task for as long as the policy lets anybody."""
    task = checks.known_task(state, command.task_id)
    checks.lease(state, task, command, now)
    terms = state.terms(task)
    last = longest_hold(task, now, terms)
    if task.lease_until is not None and task.lease_until >= last:
        raise CommandRefused(
            "lease-limit",
            f"{command.actor} holds {task.task_id} since {clock(task.lease_since or now)}, and nobody holds a task for "
            f"longer than {terms.lease_limit_seconds} s: decide by {clock(task.lease_until)}, or put it aside with "
            "snooze, or release it for somebody else",
        )
    hold(task, now, terms)
    state.keep(task)
    events = [task_changed(task, "extended", command.actor, now, command.command_id)]
    return CommandResult(f"{task.task_id} is yours until {clock(task.lease_until or now)}", task, events)


def release(state: DeskState, command: Command, now: int) -> CommandResult:
    """Gives a task back; with a reason it is kept away from this person, as long as somebody else may decide it."""
    task = checks.known_task(state, command.task_id)
    checks.undecided(state, task, now)
    # Who was assigned a task, or put it aside, may give it back without having started it.
    if task.assigned_to != command.actor:
        checks.lease(state, task, command, now)
    skipped = bool(command.reason_code or command.reason_text)
    if skipped:
        task.skip(command.actor)
    task.give_back()
    task.state = "waiting"
    state.keep(task)
    events = [task_changed(task, "released", command.actor, now, command.command_id), *open_up(state, task, now)]
    message = f"{task.task_id} waits again"
    if command.actor in task.excluded:
        message += ", and not for you"
    elif skipped:
        message += "; nobody else may decide it, so it may come to you again"
    return CommandResult(message, task, events)


def snooze(state: DeskState, command: Command, now: int) -> CommandResult:
    """Puts a task aside until a time; it then comes back to the same person. Its deadline stays."""
    task = checks.known_task(state, command.task_id)
    checks.lease(state, task, command, now)
    until = command.until
    if until is None or not now < until <= now + MAX_SNOOZE:
        raise CommandRefused("invalid", f"snooze until a time between now and {clock(now + MAX_SNOOZE)}")
    task.give_back()
    task.state = "snoozed"
    task.assigned_to = command.actor
    task.snoozed_until = until
    state.keep(task)
    events = [task_changed(task, "snoozed", command.actor, now, command.command_id)]
    return CommandResult(f"{task.task_id} comes back to you at {clock(until)}", task, events)


def _named(state: DeskState, task_id: str, me: Reviewer, now: int) -> Task:
    task = checks.known_task(state, task_id)
    checks.undecided(state, task, now)
    if task.holder and task.holder != me.id:
        raise CommandRefused("held-by-another", f"{task_id} is with {checks.held_by(task)}; claim another one")
    refusal = unfit(task, me, now)
    if refusal is not None:
        raise refusal
    if task.holder != me.id and not me.is_lead and not state.terms(task).picking:
        raise CommandRefused(
            "may-not-pick",
            f"nobody picks tasks in queue {task.queue}, so that the hard ones are done too: claim the next one",
        )
    return task


def _next(state: DeskState, queue: str, me: Reviewer, now: int) -> Turn:
    """What was assigned to the reviewer first; then the task whose turn it is."""
    if queue and not me.works(queue):
        raise CommandRefused("wrong-queue", f"queue {queue} is not among yours: {', '.join(sorted(me.queues))}")
    mine = [
        task
        for task in state.held(me.id)
        if task.state == "assigned" and queue in ("", task.queue) and unfit(task, me, now) is None
    ]
    if mine:
        return Turn(min(mine, key=_urgency))
    turn = state.waiting.next_for(me, queue, now)
    if turn is not None:
        return turn
    where = f"queue {queue}" if queue else "your queues"
    pause = state.paused.get(me.id)
    paused = f". {_sentence(pause.words())}: go on duty again, `interlock reviewers on-duty {me.id}`" if pause else ""
    raise CommandRefused("nothing-to-do", f"nothing waits for you in {where} now{paused}")


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _urgency(task: Task) -> tuple[bool, int, str]:
    return task.breached, task.deadline, task.task_id
