"""Replacing what holds: by one person's override, or, where two people must agree, by a proposal and its answer."""

from copy import copy

from interlock.policy import review
from interlock.processors.desk import checks
from interlock.processors.desk.command import Command
from interlock.processors.desk.deadlines import demand, reschedule
from interlock.processors.desk.evidence import check_involvement
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.desk.replies import CommandResult
from interlock.processors.desk.resolving import close, in_effect, judged, resolve
from interlock.processors.desk.reviewers import Reviewer, same_person, unqualified
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import DESK, POLICY, Task, Verdict
from interlock.processors.desk.task_records import task_alert, task_changed
from interlock.processors.desk.verdicts import content, given_verdict
from interlock.processors.events import Event

# Each record of a task repeats all its verdicts. Only a program changes its mind more often.
MAX_VERDICTS = 50

# How long, in microseconds, a person may correct a verdict that decided alone: a slip of the hand is noticed at once,
# and whoever thinks longer about it should ask a lead.
CORRECTION = 60_000_000


def override(state: DeskState, command: Command, now: int) -> CommandResult:
    """Replaces the resolution in force while it can still be rolled back; a proposal to do so where two must agree."""
    task = checks.known_task(state, command.task_id)
    me = checks.known_reviewer(state, command.actor)
    judged_so_far = ordinary(task, state.terms(task), now)
    if task.state == "done" or task.kind == "gold":
        # Policies that came since have not touched it, and what they demand counts for whoever opens it again. Of a
        # copy, because a refusal changes nothing.
        judged_so_far = copy(judged_so_far)
        demand(state, judged_so_far)
    verdict = _overriding_verdict(state, judged_so_far, me, command, now)
    if task.kind == "gold":
        return _note_on_gold(state, task, judged_so_far, verdict, now, command)
    task = judged_so_far
    if task.quorum > 1:
        task.verdicts = (*task.verdicts, verdict)
        events = [judged(state, task, verdict, now, kind="override", resolves=False, claimed_at=None)]
        events += propose(state, task, now)
        events.append(task_changed(task, "override_proposed", me.id, now, command.command_id))
        return CommandResult(_proposed(task.outcome, verdict, task.deadline), task, events)
    events = resolve(state, task, verdict, now, source="override", decided_by=(me.id,))
    close(state, task)
    events.insert(0, judged(state, task, verdict, now, kind="override", resolves=True, claimed_at=None))
    events.append(task_changed(task, "overridden", me.id, now, command.command_id))
    return CommandResult(overridden(task.outcome), task, events)


def _overriding_verdict(state: DeskState, task: Task, me: Reviewer, command: Command, now: int) -> Verdict:
    """The verdict that replaces what holds; raises CommandRefused where it cannot."""
    _overridable(task)
    unjudged = task.kind in ("audit", "post_approval") and task.decided_by == POLICY and not task.verdicts
    if not unjudged and not _corrects(task, me, now):
        checks.lead(me, "overriding what people decided")
    judged_earlier = any(verdict["reviewer"] == me.id and verdict["round"] < task.round for verdict in task.verdicts)
    if judged_earlier or me.id in task.parties:
        raise same_person(task, me.id)
    refusal = state.unavailable(me, now) or unqualified(task, me, now)
    if refusal is not None:
        raise refusal
    if task.override_until is None or now >= task.override_until:
        if task.override_until is None:
            until = "took effect by itself and was final at once"
        else:
            until = f"could be overridden until {clock(task.override_until)}"
        raise CommandRefused("window-closed", f"{task.task_id} {until}; now only an appeal changes it")
    checks.same_view(task, command)
    terms = state.terms(task)
    verdict = given_verdict(command, task, terms, now)
    check_involvement(task, command, terms)
    if len(task.verdicts) >= MAX_VERDICTS:
        raise CommandRefused(
            "invalid", f"{task.task_id} has been decided {len(task.verdicts)} times: now only an appeal helps"
        )
    if content(verdict) == in_effect(task):
        raise CommandRefused("invalid", f"{task.outcome!r} holds already: there is nothing to override")
    checks.room(task, command)
    return verdict


def _note_on_gold(
    state: DeskState, task: Task, pretended: Task, verdict: Verdict, now: int, command: Command
) -> CommandResult:
    """Answers as for the task that it looks like. A first judgement is counted like any on a gold item; whoever
    overrides one knows it, and is not measured."""
    if pretended.quorum > 1:
        assert pretended.override_until is not None
        until = min(review.deadline(state.terms(task), task.priority, now), pretended.override_until)
        return CommandResult(_proposed(pretended.outcome, verdict, until), task)
    first = not task.verdicts and not task.appeals
    task.verdicts = (*task.verdicts, verdict)
    close(state, task)
    events = [judged(state, task, verdict, now, kind="gold", resolves=False, claimed_at=None)] if first else []
    events.append(task_changed(task, "overridden", command.actor, now, command.command_id))
    return CommandResult(overridden(verdict["outcome"]), task, events)


def overridden(outcome: str) -> str:
    """What a person is told whose verdict has replaced what held."""
    return f"overridden: {outcome}; what was done is rolled back"


def _proposed(outcome: str, verdict: Verdict, until: int) -> str:
    return f"noted: {outcome} holds until another lead decides for {verdict['outcome']} too, by {clock(until)}"


def propose(state: DeskState, task: Task, now: int) -> list[Event]:
    """Makes the latest verdict a proposal that waits for a lead who has not judged; returns the alert about it."""
    proposal = task.verdicts[-1]
    task.exclude(proposal["reviewer"])
    task.give_back()
    task.kind = "override"
    task.state = "waiting"
    task.blind = False
    task.escalation = 1
    task.with_team = False
    task.raised_at = None
    task.escalation_note = proposal["reason_text"]
    task.due_from = now
    task.warned = task.breached = False
    reschedule(state, task, now)
    state.keep(task)
    leads = tuple(name for name in state.leads(task.queue) if name not in task.involved)
    message = (
        f"{proposal['reviewer']} wants {proposal['outcome']} instead of {task.outcome} for {task.task_id}, which two "
        f"people must decide: another lead claims it and decides by {clock(task.override_until or now)}, or it lapses"
    )
    return [task_alert(task, "override_proposed", _cause(task), "warning", leads, message, now)]


def answer_proposal(state: DeskState, task: Task, verdict: Verdict, now: int) -> tuple[list[Event], str, str]:
    """A lead's verdict on a proposed override, which takes effect with the same content; events, message, and the name
    of the change."""
    proposal = task.verdicts[-1]
    claimed_at = task.lease_since
    cause = _cause(task)
    if content(verdict) == content(proposal):
        people = (proposal["reviewer"], verdict["reviewer"])
        events = resolve(state, task, verdict, now, source="override", decided_by=people)
        close(state, task)
        events.insert(0, judged(state, task, verdict, now, kind="override", resolves=True, claimed_at=claimed_at))
        return events, overridden(task.outcome), "overridden"
    task.verdicts = (*task.verdicts, verdict)
    close(state, task)
    told = f"{verdict['reviewer']} decided otherwise about your override of {task.task_id}: {task.outcome} stands"
    events = [
        judged(state, task, verdict, now, kind="override", resolves=False, claimed_at=claimed_at),
        task_alert(task, "override_refused", cause, "info", (proposal["reviewer"],), told, now),
    ]
    return events, f"noted: {task.outcome} stands, because the two of you differ", "override_refused"


def lapse(state: DeskState, task: Task, now: int) -> list[Event]:
    """Nobody has answered a proposed override in time: what holds stands."""
    proposer = task.verdicts[-1]["reviewer"]
    cause = _cause(task)
    close(state, task)
    message = (
        f"no other lead decided about your override of {task.task_id} by {clock(now)}: {task.outcome} stands, and only "
        "an appeal changes it"
    )
    return [
        task_changed(task, "override_lapsed", DESK, now),
        task_alert(task, "override_lapsed", cause, "warning", (proposer,), message, now),
    ]


def _overridable(task: Task) -> None:
    """Something is in force, and nobody else is deciding about it; raises CommandRefused."""
    if not task.took_effect:
        raise CommandRefused(
            "not-decided", f"{task.task_id} has no outcome yet that could be overridden: claim and decide it"
        )
    if task.state == "done":
        return
    if task.kind == "appeal":
        raise CommandRefused(
            "appeal-open", f"an appeal on {task.task_id} is open: whoever claims it decides it, nobody overrides it"
        )
    if task.kind == "override":
        proposal = task.verdicts[-1]
        raise CommandRefused(
            "override-open",
            f"{proposal['reviewer']} has proposed {proposal['outcome']} for {task.task_id}: another lead claims it and "
            "decides, for the same outcome to put it in force, for another one to refuse it",
        )
    if task.quorum > 1:
        raise CommandRefused("two-needed", f"two people must agree about {task.task_id}: claim and decide it")


def _corrects(task: Task, me: Reviewer, now: int) -> bool:
    """Whether a person takes back what that person alone has decided a moment ago."""
    return task.decided_by == me.id and task.decided_at is not None and now < task.decided_at + CORRECTION


def _cause(task: Task) -> str:
    return f"{task.task_id}/{len(task.verdicts)}"
