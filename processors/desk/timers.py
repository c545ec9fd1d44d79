"""What the clock does to tasks: leases, assignments, snoozes, service levels, override windows."""

from interlock.processors.desk.deadlines import notice_due, raise_priority, seconds_to_start
from interlock.processors.desk.escalation import leads_who_may, share_with_leads
from interlock.processors.desk.overriding import lapse
from interlock.processors.desk.policy_changes import apply_policies
from interlock.processors.desk.presence import leave, pause_pushes
from interlock.processors.desk.refusal import clock
from interlock.processors.desk.resolving import close, finalise
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import CONTESTED, DESK, Task
from interlock.processors.desk.task_records import assignment_alert, task_alert, task_changed
from interlock.processors.desk.verdict_commands import give_up_waiting, time_out
from interlock.processors.events import Event, alert
from interlock.schemas import catalogue


def fire_timers(state: DeskState, task: Task, now: int) -> list[Event]:
    """Everything that is due about one task, in a fixed order."""
    events: list[Event] = []
    if task.final_at is not None and now >= task.final_at:
        if task.kind == "override" and task.state != "done":
            events += lapse(state, task, now)
        events += _window_ended(state, task, now)
        if task.state == "done":
            return events
    if task.state == "done":
        return _forgotten(state, task)
    if task.state == "snoozed" and task.snoozed_until is not None and now >= task.snoozed_until:
        events += _woken(state, task, now)
    if task.state == "leased" and task.lease_until is not None:
        if now >= task.lease_until:
            events += _lease_expired(task, now)
        elif now >= task.lease_warn_at and not task.lease_warned:
            events += _lease_expiring(task, now)
    if task.caller_leaves_at is not None and now >= task.caller_leaves_at:
        events += give_up_waiting(state, task, DESK, now).events
        if task.state == "done":
            return events
    if task.ends_at is not None and now >= task.ends_at and task.state != "leased":
        return [*events, *_not_judged(state, task, now)]
    if now >= task.deadline and not task.breached:
        events += _breached(state, task, now)
    elif now >= task.warn_at and not task.warned and not task.is_optional:
        events += _warned(state, task, now)
    if task.state == "assigned" and task.assigned_until is not None and now >= task.assigned_until:
        events += _not_begun(state, task, now)
    if task.task_id in state.tasks:
        state.keep(task)
    return events


def review_open_tasks(state: DeskState, now: int) -> list[Event]:
    """After policies or reviewers changed: applies the policies, and takes back what removed people held."""
    events: list[Event] = []
    for name in sorted({*state.on_duty, *state.holders()} - state.reviewers.keys()):
        message = f"{name} is no longer a reviewer; the tasks that {name} held wait for others"
        cause = f"{name}/{state.on_duty.get(name, state.off_duty.get(name))}"
        events.append(alert("reviewer_removed", cause, "warning", (), message, now))
        events += leave(state, name, DESK, now)
    if state.policies_changed:
        events += apply_policies(state, now)
        state.waiting.reorder(state.terms)
        state.policies_changed = False
    state.replaced = False
    return events


def _forgotten(state: DeskState, task: Task) -> list[Event]:
    state.forget(task.task_id)
    return [Event(catalogue.TASKS, task.task_id, None)]


def _window_ended(state: DeskState, task: Task, now: int) -> list[Event]:
    """No one objected or overrode: the resolution is final. An audit goes on, and only measures from now on."""
    unjudged = task.window_open_until is not None and task.state != "done"
    events = finalise(task, now)
    if unjudged:
        close(state, task)
    else:
        state.keep(task)
    events.append(task_changed(task, "window_closed" if unjudged else "final", DESK, now))
    return events


def _not_judged(state: DeskState, task: Task, now: int) -> list[Event]:
    """A measurement that nobody did ends without a verdict: what took effect stands, and nothing is learned from it."""
    close(state, task)
    return [task_changed(task, "not_judged", DESK, now)]


def _woken(state: DeskState, task: Task, now: int) -> list[Event]:
    """It waits for whoever put it aside, on duty or not, until its deadline; a late one for the time to begin."""
    woken_at = task.snoozed_until
    task.state = "assigned"
    task.snoozed_until = None
    task.assigned_until = max(task.deadline, now + state.terms(task).start_within_seconds * 1_000_000)
    message = f"{task.task_id}, which you put aside, is back: it is kept for you until {clock(task.assigned_until)}"
    cause = f"{task.task_id}/{task.lease_epoch}/{woken_at}"
    return [
        task_changed(task, "woken", DESK, now),
        task_alert(task, "woken", cause, "info", (task.assigned_to,), message, now),
    ]


def _lease_expired(task: Task, now: int) -> list[Event]:
    holder = task.lease_holder
    task.give_back()
    task.state = "waiting"
    message = f"your lease on {task.task_id} has ended and it waits for others; claim it again, your draft is yours"
    cause = f"{task.task_id}/{task.lease_epoch}"
    return [
        task_changed(task, "expired", DESK, now),
        task_alert(task, "lease_expired", cause, "info", (holder,), message, now),
    ]


def _lease_expiring(task: Task, now: int) -> list[Event]:
    task.lease_warned = True
    cause = f"{task.task_id}/{task.lease_epoch}/{task.lease_until}"
    message = f"your lease on {task.task_id} ends at {clock(task.lease_until or now)}: extend it or decide"
    # The record keeps a desk that takes over from warning again.
    return [
        task_changed(task, "lease_warned", DESK, now),
        task_alert(task, "lease_expiring", cause, "info", (task.lease_holder,), message, now),
    ]


def _not_begun(state: DeskState, task: Task, now: int) -> list[Event]:
    """A person who was given a task and has started nothing in time is taken to be away: nothing more is pushed.

    Where the time ended while no desk served anybody it begins again: people may not even have seen the task.
    """
    if task.assigned_until is not None and task.assigned_until <= state.resumed_at:
        task.assigned_until = state.resumed_at + seconds_to_start(state, task) * 1_000_000
        return [task_changed(task, "assigned", DESK, now), assignment_alert(task, now)]
    name = task.assigned_to
    reason = f"{task.task_id} was to be started by {clock(task.assigned_until or now)} and nothing was"
    cause = f"{task.task_id}/{name}/{task.assigned_until}"
    task.give_back()
    task.state = "waiting"
    task.passed_over = name
    state.keep(task)
    events = [task_changed(task, "unassigned", DESK, now)]
    is_pushed_to = name in state.on_duty and name not in state.paused
    if is_pushed_to and not any(other.state == "leased" for other in state.held(name)):
        events += pause_pushes(state, name, reason, now)
        message = (
            f"Nothing more is pushed to {name} because {reason}. {name} stays on duty and may claim; tasks are pushed "
            "again once that person claims one or goes on duty again"
        )
        to = _with_superiors(state, task, name)
        events.append(task_alert(task, "pushes_paused", cause, "warning", to, message, now))
    return events


def _warned(state: DeskState, task: Task, now: int) -> list[Event]:
    task.warned = True
    message = f"{task.task_id} must be decided by {clock(task.deadline)}"
    to = (task.holder,) if task.holder else state.leads(task.queue)
    return [
        task_changed(task, "warned", DESK, now),
        task_alert(task, "sla_warning", _sla_cause(task), "warning", to, message, now),
    ]


def _breached(state: DeskState, task: Task, now: int) -> list[Event]:
    """Alerts the holder of the task and the holder's manager, else the leads, once; then does what the policy says.

    A measurement is only late: it must not take the place of work that somebody waits for. What has not been begun
    waits for everybody: it was kept for one person until now.
    """
    task.warned = task.breached = True
    to = _with_superiors(state, task, task.holder)
    if task.state in ("assigned", "snoozed"):
        task.give_back()
        task.state = "waiting"
    message = f"{task.task_id} should have been decided by {clock(task.deadline)} (priority {task.priority})"
    told_late = task.deadline == notice_due(task, state.terms(task))
    if told_late:
        message += "; by then its subject had to be told of the outcome, as a pack of the policy demands"
    # Who is told at once of every breach looks at none.
    severity = "critical" if task.priority == "critical" or told_late else "warning"
    cause = _sla_cause(task)
    action = "" if task.is_measurement else state.terms(task).on_breach
    if task.apparent_kind in CONTESTED:
        # It has its effect already: no outcome is safer than what people decide.
        action = "escalate"
    events = [task_changed(task, "breached", DESK, now)]
    match action:
        case "raise_priority":
            raise_priority(state, task, now)
            message += f"; it has priority {task.priority} now"
            events.append(task_changed(task, "raised", DESK, now))
        case "escalate":
            leads = () if task.escalation else leads_who_may(state, task, now)
            if leads:
                share_with_leads(task, "its deadline has passed")
                to = (*to, *leads)
                message += f"; {', '.join(leads)} may decide it as well as its team"
                events.append(task_changed(task, "escalated", DESK, now))
    events.insert(1, task_alert(task, "sla_breach", cause, severity, to, message, now))
    if action not in ("", "raise_priority", "escalate") and not task.took_effect:
        events += time_out(state, task, action, "nobody decided in time", now)
        events.append(task_changed(task, "timed_out", DESK, now))
    return events


def _with_superiors(state: DeskState, task: Task, person: str) -> tuple[str, ...]:
    """A person, if there is one, and the person's manager; the leads of the task's queue where there is no manager."""
    known = state.reviewers.get(person)
    if known is not None and known.manager:
        return person, known.manager
    return person, *state.leads(task.queue)


def _sla_cause(task: Task) -> str:
    return f"{task.task_id}/{task.round}/{task.deadline}"
