"""Deciding: a reviewer's verdict, a lead's override, and the policy's answer to a caller who gave up."""

from dataclasses import dataclass

from interlock.processors.desk import checks, task_records
from interlock.processors.desk.command import Command
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.resolving import close, content, in_effect, resolve
from interlock.processors.desk.reviewers import unqualified
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import NOBODY, Task, Verdict
from interlock.processors.desk.task_records import task_alert, task_changed
from interlock.processors.desk.verdicts import as_verdict, automatic_verdict, check_reason, decided_outcome
from interlock.processors.events import Event

# All of them are written with every change of the task. Nobody but a program changes a mind more often.
MAX_VERDICTS = 50


def submit(state: DeskState, command: Command, now: int) -> CommandResult:
    """Takes the verdict of the person who holds the task."""
    task = checks.known_task(state, command.task_id)
    checks.lease(task, command)
    me = checks.known_reviewer(state, command.actor)
    refusal = unqualified(task, me, now)
    if refusal is not None:
        raise refusal
    checks.same_view(task, command)
    terms = state.terms(task)
    check_reason(command, terms)
    verdict = as_verdict(command, decided_outcome(command, task, terms), task, now)
    match task.kind:
        case "gold":
            taken = _SubmitResult(_note_verdict(state, task, verdict, now), "thank you: noted")
        case "audit":
            taken = _decide_audit(state, task, verdict, now)
        case _ if task.quorum > 1:
            taken = _add_signature(state, task, verdict, now)
        case _:
            taken = _SubmitResult(_decide(state, task, verdict, now, (me.id,)), f"decided: {task.outcome}")
    taken.events.append(task_changed(task, taken.event, me.id, now, command.command_id))
    return CommandResult(taken.message, task, taken.events)


def override(state: DeskState, command: Command, now: int) -> CommandResult:
    """Replaces the word that holds while it can still be rolled back."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    if not task.took_effect or task.kind == "gold":
        raise CommandRefused(
            "not-decided", f"{task.task_id} has no outcome yet that could be overridden: claim and decide it"
        )
    if task.kind not in ("audit", "post_approval") or task.decided_by != NOBODY:
        checks.lead(me, "overriding what people decided")
    if any(one["reviewer"] == me.id and one["round"] < task.round for one in task.verdicts):
        raise CommandRefused(
            "same-person", f"{me.id} decided {task.task_id} before the appeal; somebody else must do it now"
        )
    refusal = state.unavailable(me, now) or unqualified(task, me, now)
    if refusal is not None:
        raise refusal
    if task.override_until is None or now >= task.override_until:
        when = clock(task.override_until) if task.override_until is not None else "at once"
        raise CommandRefused(
            "window-closed", f"{task.task_id} could be overridden until {when}; now only an appeal changes it"
        )
    checks.same_view(task, command)
    terms = state.terms(task)
    check_reason(command, terms)
    verdict = as_verdict(command, decided_outcome(command, task, terms), task, now)
    if len(task.verdicts) >= MAX_VERDICTS:
        raise CommandRefused(
            "invalid", f"{task.task_id} has been decided {len(task.verdicts)} times: now only an appeal helps"
        )
    if content(verdict) == in_effect(task):
        raise CommandRefused("invalid", f"{task.outcome!r} holds already: there is nothing to override")
    made = resolve(state, task, verdict, now, source="override", decided_by=(me.id,))
    close(state, task)
    made.insert(0, _outcome(state, task, verdict, now, kind="override", resolves=True, claimed_at=None))
    made.append(task_changed(task, "overridden", me.id, now, command.command_id))
    return CommandResult(f"overridden: {task.outcome}; what was done is rolled back", task, made)


def expire(state: DeskState, command: Command, now: int) -> CommandResult:
    """A caller gave up waiting: what the policy says for that happens."""
    task = checks.known_task(state, command.task_id)
    checks.undecided(task)
    if not task.has_caller:
        raise CommandRefused("not-sync", f"nobody waits for {task.task_id}: it is not a sync review")
    safe = state.terms(task).on_timeout
    if safe != "escalate":
        made = time_out(state, task, safe, "the caller waited in vain", now)
        made.append(task_changed(task, "timed_out", command.actor, now, command.command_id))
        return CommandResult(f"nobody decided in time: {safe} holds, as the policy says", task, made)
    if task.escalation:
        return CommandResult(f"{task.task_id} is with the leads already", task, [], "escalated")
    made = [
        to_leads(state, task, "the caller waited in vain", now),
        task_changed(task, "escalated", command.actor, now, command.command_id),
    ]
    message = f"nobody decided in time: {task.task_id} went to the leads; nothing takes effect yet"
    return CommandResult(message, task, made, "escalated")


def time_out(state: DeskState, task: Task, safe: str, why: str, now: int) -> list[Event]:
    """Lets the safe outcome of the policy hold."""
    verdict = automatic_verdict(safe, "timeout", why, task, now)
    made = resolve(state, task, verdict, now, source="timeout", decided_by=())
    close(state, task)
    return made


def to_leads(state: DeskState, task: Task, note: str, now: int, kind: str = "escalated") -> Event:
    """Only leads get the task from now on; whoever has begun it may finish. Returns the alert about it.

    Where a queue has no lead, the task stays with everybody and the operators are told.
    """
    leads = state.leads(task.queue)
    task.escalation += bool(leads)
    task.escalation_note = note
    if task.state in ("assigned", "snoozed"):
        task.give_back()
        task.state = "waiting"
    state.keep(task)
    cause = f"{task.task_id}/{task.round}/{task.escalation}"
    return task_alert(task, kind, cause, "warning", leads, f"{task.task_id} needs a lead: {note}", now)


@dataclass(frozen=True, slots=True)
class _SubmitResult:
    """What became of a verdict: `event` names the change of the task."""

    events: list[Event]
    message: str
    event: str = "resolved"


def _decide(state: DeskState, task: Task, verdict: Verdict, now: int, decided_by: tuple[str, ...]) -> list[Event]:
    """The verdict is the word on the decision."""
    source = "appeal" if task.kind == "appeal" else "review"
    if task.kind in ("audit", "post_approval") and verdict["outcome"] != task.outcome:
        source = "override"
    claimed_at = task.lease_since
    made = resolve(state, task, verdict, now, source=source, decided_by=decided_by)
    close(state, task)
    return [_outcome(state, task, verdict, now, kind=task.kind, resolves=True, claimed_at=claimed_at), *made]


def _note_verdict(state: DeskState, task: Task, verdict: Verdict, now: int) -> list[Event]:
    """The verdict is measured and changes nothing."""
    claimed_at = task.lease_since
    task.verdicts = (*task.verdicts, verdict)
    close(state, task)
    return [_outcome(state, task, verdict, now, kind=task.kind, resolves=False, claimed_at=claimed_at)]


def _outcome(
    state: DeskState, task: Task, verdict: Verdict, now: int, *, kind: str, resolves: bool, claimed_at: int | None
) -> Event:
    """Call it when the task is filed as it is now."""
    settled = state.settled_before(task, now)
    return task_records.outcome(
        task, verdict, kind=kind, resolves=resolves, claimed_at=claimed_at, settled_before=settled
    )


def _decide_audit(state: DeskState, task: Task, verdict: Verdict, now: int) -> _SubmitResult:
    """An audit that disagrees in time is an override; otherwise it only measures."""
    if verdict["outcome"] == task.outcome:
        return _SubmitResult(_note_verdict(state, task, verdict, now), f"noted: {task.outcome} stands")
    if task.override_until is None or now >= task.override_until:
        until = clock(task.override_until or now)
        message = f"noted; {task.outcome} stands all the same, because it could be rolled back only until {until}"
        return _SubmitResult(_note_verdict(state, task, verdict, now), message)
    made = _decide(state, task, verdict, now, (verdict["reviewer"],))
    return _SubmitResult(made, f"overridden: {task.outcome}; what was done is rolled back", "overridden")


def _add_signature(state: DeskState, task: Task, verdict: Verdict, now: int) -> _SubmitResult:
    """Four eyes: different people must agree; where they do not, one more verdict decides, a lead's if there is one."""
    before = task.this_round()
    me = verdict["reviewer"]
    disagreed = len(before) >= task.quorum
    if disagreed:
        return _SubmitResult(_decide(state, task, verdict, now, (me,)), f"decided: {verdict['outcome']}")
    agree = all(content(one) == content(verdict) for one in before)
    if agree and len(before) == task.quorum - 1:
        people = (*(one["reviewer"] for one in before), me)
        return _SubmitResult(_decide(state, task, verdict, now, people), f"decided: {verdict['outcome']}")
    claimed_at = task.lease_since
    task.verdicts = (*task.verdicts, verdict)
    made = [_outcome(state, task, verdict, now, kind=task.kind, resolves=False, claimed_at=claimed_at)]
    task.exclude(me)
    task.give_back()
    task.state = "waiting"
    if agree:
        state.keep(task)
        return _SubmitResult(made, "noted: somebody else must agree before it holds", "submitted")
    made.append(to_leads(state, task, "two people disagree", now, "quorum_disagrees"))
    return _SubmitResult(made, "noted: the other person decided differently, one more verdict decides", "escalated")
