"""Deciding: a reviewer's verdict, and the policy's answer to a caller who gave up."""

from dataclasses import dataclass

from interlock.processors.desk import checks
from interlock.processors.desk.arms import check_first_opinion
from interlock.processors.desk.command import Command
from interlock.processors.desk.escalation import to_leads, went_to
from interlock.processors.desk.evidence import check_involvement
from interlock.processors.desk.overriding import answer_proposal, overridden, propose
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.resolving import close, judged, resolve
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task, Verdict
from interlock.processors.desk.task_records import task_changed
from interlock.processors.desk.verdicts import automatic_verdict, content, given_verdict
from interlock.processors.events import Event


def submit(state: DeskState, command: Command, now: int) -> CommandResult:
    """Takes the verdict of the person who holds the task."""
    task, me = checks.judged_by_holder(state, command, now)
    check_first_opinion(task)
    terms = state.terms(task)
    verdict = given_verdict(command, task, terms, now)
    check_involvement(task, command, terms)
    state.workload.judged(me.id, task, now - (task.lease_since or now))
    match task.kind:
        case "gold" if task.blind:
            taken = _note_on_gold(state, task, verdict, now)
        case "audit":
            taken = _decide_audit(state, task, verdict, now)
        case "override":
            taken = _SubmitResult(*answer_proposal(state, task, verdict, now))
        case _ if task.quorum > 1:
            taken = _add_signature(state, task, verdict, now)
        case _:
            taken = _SubmitResult(_decide(state, task, verdict, now, (me.id,)), f"decided: {verdict['outcome']}")
    taken.events.append(task_changed(task, taken.event, me.id, now, command.command_id))
    return CommandResult(taken.message, task, taken.events)


def expire(state: DeskState, command: Command, now: int) -> CommandResult:
    """A caller gave up waiting: applies the policy's on_timeout."""
    task = checks.known_task(state, command.task_id)
    checks.undecided(state, task, now)
    if not task.has_caller:
        raise CommandRefused("not-sync", f"nobody waits for {task.task_id}: it is not a sync review")
    if not task.caller or command.actor != task.caller:
        whose = f"{task.caller} waits for it" if task.caller else "its decision names no caller who waits"
        raise CommandRefused(
            "not-your-call",
            f"only the caller who waits for {task.task_id} can give up, and {whose}: wait for its outcome",
        )
    return give_up_waiting(state, task, command.actor, now, command.command_id)


def give_up_waiting(state: DeskState, task: Task, actor: str, now: int, command_id: str = "") -> CommandResult:
    """The caller waits no more: applies the policy's on_timeout, once."""
    if task.caller_left:
        return CommandResult(f"nobody decided in time: {task.task_id} waits for people", task, [], "escalated")
    task.caller_left = True
    safe = state.terms(task).on_timeout
    if safe != "escalate":
        events = time_out(state, task, safe, "the caller waited in vain", now)
        events.append(task_changed(task, "timed_out", actor, now, command_id))
        return CommandResult(f"nobody decided in time: {safe} holds, as the policy says", task, events)
    if task.leads_only:
        state.keep(task)
        left = task_changed(task, "caller_left", actor, now, command_id)
        return CommandResult(f"{task.task_id} is with the leads already", task, [left], "escalated")
    leads, told = to_leads(state, task, "the caller waited in vain", now)
    events = [told, task_changed(task, "escalated", actor, now, command_id)]
    message = f"nobody decided in time: {went_to(task, leads)}; nothing takes effect yet"
    return CommandResult(message, task, events, "escalated")


def time_out(state: DeskState, task: Task, safe: str, why: str, now: int) -> list[Event]:
    """Puts the policy's safe outcome in force."""
    verdict = automatic_verdict(safe, "timeout", why, task, now)
    events = resolve(state, task, verdict, now, source="timeout", decided_by=())
    close(state, task)
    return events


@dataclass(frozen=True, slots=True)
class _SubmitResult:
    """What became of a verdict: `event` names the change of the task."""

    events: list[Event]
    message: str
    event: str = "resolved"


def _decide(state: DeskState, task: Task, verdict: Verdict, now: int, decided_by: tuple[str, ...]) -> list[Event]:
    """The verdict decides; on a gold item it only looks so."""
    if task.kind == "gold":
        return _note_verdict(state, task, verdict, now)
    source = "appeal" if task.kind == "appeal" else "review"
    if task.kind in ("audit", "post_approval", "recall") and verdict["outcome"] != task.outcome:
        source = "override"
    claimed_at = task.lease_since
    events = resolve(state, task, verdict, now, source=source, decided_by=decided_by)
    close(state, task)
    return [judged(state, task, verdict, now, kind=task.counted_as, resolves=True, claimed_at=claimed_at), *events]


def _note_verdict(state: DeskState, task: Task, verdict: Verdict, now: int) -> list[Event]:
    """The verdict is recorded and changes nothing."""
    claimed_at = task.lease_since
    task.verdicts = (*task.verdicts, verdict)
    close(state, task)
    return _measured(state, task, verdict, now, claimed_at)


def _measured(state: DeskState, task: Task, verdict: Verdict, now: int, claimed_at: int | None) -> list[Event]:
    """The record of a verdict that resolves nothing. Who judges an appeal on a gold item has heard one party, and is
    not measured by it."""
    if task.kind == "gold" and task.appeals:
        return []
    return [judged(state, task, verdict, now, kind=task.counted_as, resolves=False, claimed_at=claimed_at)]


def _note_on_gold(state: DeskState, task: Task, verdict: Verdict, now: int) -> _SubmitResult:
    """The same words as for the audit that it looks like, and nothing of it."""
    audit = ordinary(task, state.terms(task), now)
    events = _note_verdict(state, task, verdict, now)
    stands = _why_it_stands(audit, verdict, now)
    return _SubmitResult(events, stands or overridden(verdict["outcome"]))


def _why_it_stands(task: Task, verdict: Verdict, now: int) -> str:
    """Why the verdict of an audit changes nothing, in words; empty if it does."""
    if verdict["outcome"] == task.outcome:
        return f"noted: {task.outcome} stands"
    if task.override_until is None or now >= task.override_until:
        until = clock(task.override_until or now)
        return f"noted; {task.outcome} stands all the same, because it could be rolled back only until {until}"
    return ""


def _decide_audit(state: DeskState, task: Task, verdict: Verdict, now: int) -> _SubmitResult:
    """An audit that disagrees in time is an override; otherwise it only measures."""
    stands = _why_it_stands(task, verdict, now)
    if stands:
        return _SubmitResult(_note_verdict(state, task, verdict, now), stands)
    if task.quorum > 1:
        measured = _note_verdict(state, task, verdict, now)
        message = f"noted: {task.outcome} stands until a lead decides for {verdict['outcome']} too"
        return _SubmitResult([*measured, *propose(state, task, now)], message, "override_proposed")
    events = _decide(state, task, verdict, now, (verdict["reviewer"],))
    return _SubmitResult(events, overridden(task.outcome), "overridden")


def _add_signature(state: DeskState, task: Task, verdict: Verdict, now: int) -> _SubmitResult:
    """Four eyes: different people must agree; where they do not, one more verdict decides, a lead's if a lead may."""
    before = task.this_round()
    me = verdict["reviewer"]
    disagreed = len(before) >= task.quorum
    if disagreed:
        return _SubmitResult(_decide(state, task, verdict, now, (me,)), f"decided: {verdict['outcome']}")
    agree = all(content(earlier) == content(verdict) for earlier in before)
    if agree and len(before) == task.quorum - 1:
        people = (*(earlier["reviewer"] for earlier in before), me)
        return _SubmitResult(_decide(state, task, verdict, now, people), f"decided: {verdict['outcome']}")
    claimed_at = task.lease_since
    task.verdicts = (*task.verdicts, verdict)
    events = _measured(state, task, verdict, now, claimed_at)
    task.exclude(me)
    task.give_back()
    task.state = "waiting"
    if agree:
        state.keep(task)
        return _SubmitResult(events, "noted: somebody else must agree before it holds", "submitted")
    _, told = to_leads(state, task, "two people disagree", now, "quorum_disagrees")
    events.append(told)
    return _SubmitResult(events, "noted: the other person decided differently, one more verdict decides", "escalated")
