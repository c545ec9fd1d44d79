"""No task waits for nobody: for every open task somebody on the roster may decide it, or an alert says why nobody may.

Duty and working hours do not matter here: people come back. Where the desk itself keeps everybody away, it yields: it
opens what was escalated to leads to the team, then takes back a skip.
"""

from collections.abc import Iterable

from interlock.processors.desk.reviewers import Reviewer, holds, unfit, unqualified
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import DESK, Task
from interlock.processors.desk.task_records import task_alert, task_changed
from interlock.processors.events import Event

# A sentence that names more people is read by nobody.
_MAX_NAMES = 5

# Every group of people who have judged a task makes a kind of its own.
_MAX_KINDS = 10_000


def look_after(state: DeskState, now: int) -> list[Event]:
    """Looks at every task that has changed, or at all of them where the roster has: call after each step."""
    if state.replaced:
        # What tasks demand, and who holds them, is about to change.
        return []
    if state.roster_changed or (state.next_expiry is not None and state.next_expiry <= now):
        state.roster_changed = False
        state.kept_from.clear()
        state.next_expiry = _next_expiry(state.reviewers.values(), now)
        tasks = state.open_tasks()
    else:
        tasks = [task for task_id in state.touched if (task := state.tasks.get(task_id)) and task.state != "done"]
    events = [event for task in tasks for event in open_up(state, task, now)]
    state.touched = {}
    return events


def open_up(state: DeskState, task: Task, now: int) -> list[Event]:
    """Makes sure that somebody may decide an open task, or that people know that nobody may."""
    reasons = _why_nobody(state, task, now)
    if not reasons:
        if not task.stuck:
            return []
        task.stuck = False
        return [task_changed(task, "somebody_can_decide", DESK, now)]
    told = _yielded(state, task, now)
    if told is not None:
        task.stuck = False
        state.keep(task)
        return [task_changed(task, "opened_up", DESK, now), told]
    if task.stuck:
        return []
    task.stuck = True
    whom = "nobody on the roster" if state.reviewers else "nobody"
    message = f"{whom} can decide {task.task_id}: {reasons}"
    cause = f"{task.task_id}/{now}"
    return [
        task_changed(task, "nobody_can_decide", DESK, now),
        task_alert(task, "nobody_can_decide", cause, "critical", state.leads(task.queue), message, now),
    ]


def _why_nobody(state: DeskState, task: Task, now: int) -> str:
    """Which rule keeps whom from the task, and what would help, for people; empty if somebody may decide it."""
    if task.state == "leased":
        holder = state.reviewers.get(task.lease_holder)
        if holder is not None and unqualified(task, holder, now) is None:
            return ""
    # All that `unfit` asks of a task: who may decide one may decide the others, until the roster changes.
    kind = task.queue, task.qualifications, task.leads_only, task.involved.union(task.excluded)
    reasons = state.kept_from.get(kind)
    if reasons is None:
        if len(state.kept_from) >= _MAX_KINDS:
            state.kept_from.clear()
        somebody = any(_may(task, person, now) for person in state.reviewers.values())
        reasons = state.kept_from[kind] = "" if somebody else _reasons(state, task, now)
    return reasons


def _reasons(state: DeskState, task: Task, now: int) -> str:
    if not state.reviewers:
        return "there are no reviewers. What helps: `interlock reviewers add NAME`"
    kept: dict[str, list[str]] = {}
    helps: dict[str, None] = {}
    for name in sorted(state.reviewers):
        rule, remedy = _rule(task, state.reviewers[name], now)
        kept.setdefault(rule, []).append(name)
        if remedy:
            helps[f"give {name} {remedy}"] = None
    rules = "; ".join(f"{rule}: {_names(names)}" for rule, names in kept.items())
    remedies = [*list(helps)[:_MAX_NAMES], f"enter somebody else who may work queue {task.queue}"]
    return f"{rules}. What helps: {', or '.join(remedies)}"


def _may(task: Task, person: Reviewer, now: int) -> bool:
    return person.capacity > 0 and unfit(task, person, now) is None


def _yielded(state: DeskState, task: Task, now: int) -> Event | None:
    """Lifts a restriction that the desk has made, if that helps, and returns the alert about it; None if none helps.

    First the escalation to leads; then the skip that is the oldest. Nobody who has judged a task gets it again.
    """
    before = task.with_team, task.excluded, task.skipped
    task.with_team = task.escalation > 0
    if task.with_team != before[0] and not _why_nobody(state, task, now):
        message = f"no lead may decide {task.task_id} any more: everybody else who may gets it"
        return task_alert(task, "opened_up", f"{task.task_id}/{now}", "warning", state.leads(task.queue), message, now)
    for name in task.skipped:
        person = state.reviewers.get(name)
        if person is not None:
            task.readmit(name)
            if _may(task, person, now):
                task.with_team = before[0] if person.is_lead else task.with_team
                message = f"{task.task_id}, which you passed on, may come to you again: nobody else may decide it"
                return task_alert(task, "opened_up", f"{task.task_id}/{now}", "warning", (name,), message, now)
            _, task.excluded, task.skipped = before
    task.with_team = before[0]
    return None


def _rule(task: Task, person: Reviewer, now: int) -> tuple[str, str]:
    """What keeps a person from a task, and what the person would have to be given; empty if nothing helps."""
    refusal = unfit(task, person, now)
    match refusal.code if refusal else "":
        case "same-person":
            return "have judged it or are party to it", ""
        case "excluded":
            return "are kept from it", ""
        case "not-lead":
            return "are no leads, while it was escalated", ""
        case "wrong-queue":
            return f"do not work queue {task.queue}", f"the queue {task.queue}"
        case "not-qualified":
            missing = [name for name in task.qualifications if not holds(person.qualifications, [name], now)]
            return f"lack {', '.join(missing)}", f"the qualification {', '.join(missing)}"
    return "have no capacity", "a capacity"


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_MAX_NAMES])
    return f"{shown} and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else shown


def _next_expiry(people: Iterable[Reviewer], now: int) -> int | None:
    """When the next qualification of somebody expires."""
    ends = (end for person in people for end in person.qualifications.values() if end is not None and end > now)
    return min(ends, default=None)
