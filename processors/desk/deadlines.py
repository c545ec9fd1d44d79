"""Service levels: until when a task must be started and decided, and when people are warned."""

from interlock.policy import review
from interlock.policy.review import Terms
from interlock.policy.vocabulary import Priority
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task, one_for_all

# While a caller waits, a person who is given the task starts it within a minute, or it goes to another one.
SYNC_START_SECONDS = 60

_DAY = 86_400_000_000

_NEXT_PRIORITY = {"low": "medium", "medium": "high", "high": "critical"}


def seconds_to_start(state: DeskState, task: Task) -> int:
    """Within how many seconds the person to whom `task` is pushed must start it."""
    seconds = state.terms(task).start_within_seconds
    return min(seconds, SYNC_START_SECONDS) if task.is_urgent else seconds


def reschedule(state: DeskState, task: Task, now: int) -> None:
    """Deadline, warning and what is demanded of people, as `DeskState.terms` has them; a new deadline starts its alerts
    again."""
    terms = state.terms(task)
    before = task.deadline
    task.deadline = review.deadline(terms, task.priority, counts_from(task), appeal=task.apparent_kind == "appeal")
    told_by = notice_due(task, terms)
    if told_by is not None:
        task.deadline = min(task.deadline, told_by)
    if task.window_open_until is not None:
        # A review after the end of the window cannot change anything.
        task.deadline = min(task.deadline, task.window_open_until)
    demand(state, task)
    set_warning(state, task)
    if task.deadline != before:
        task.breached = task.breached and task.deadline <= now
        task.warned = task.warned and task.warn_at <= now


def notice_due(task: Task, terms: Terms) -> int | None:
    """By when the subject of what has not taken effect must have been told of its outcome, as a pack demands: above
    service levels, working time and whatever is raised or escalated. None where no pack does."""
    if not terms.notify_within_days or task.created_at is None or task.took_effect:
        return None
    return task.created_at + terms.notify_within_days * _DAY


def demand(state: DeskState, task: Task) -> None:
    """What is demanded of people who judge `task`: what it was routed with and, beyond it, the policy in force."""
    terms = state.terms(task)
    task.qualifications = one_for_all(terms.qualifications)
    task.deadline_policy = terms.policy_version
    # One person does an audit, and what looks like one.
    looks_like_audit = task.kind == "gold" and task.blind and not task.decides_first
    if not looks_like_audit:
        task.quorum = max(task.quorum, review.quorum(terms, task.reasons))


def set_warning(state: DeskState, task: Task) -> None:
    """When three quarters of the time until the deadline are over, in working time where a policy tells it.

    And when a measurement ends that nobody did.
    """
    terms = state.terms(task)
    task.ends_at = task.due_from + terms.audit_seconds * 1_000_000 if task.is_measurement else None
    if terms.known:
        task.warn_at = review.warning(terms, task.priority, counts_from(task), appeal=task.apparent_kind == "appeal")
    else:
        start = counts_from(task)
        task.warn_at = start + (task.deadline - start) * 3 // 4
    if task.created_at is not None and notice_due(task, terms) is not None:
        task.warn_at = min(task.warn_at, task.created_at + terms.notify_within_days * _DAY * 3 // 4)
    if task.window_open_until is not None:
        task.warn_at = min(task.warn_at, task.due_from + (task.window_open_until - task.due_from) * 3 // 4)


def raise_priority(state: DeskState, task: Task, now: int) -> None:
    """After a missed deadline: the next priority, and its whole service level from now on.

    What is critical already keeps its deadline: from now on it goes first (`goes_first`).
    """
    if task.priority == Priority.CRITICAL:
        task.raised_at = counts_from(task)
    else:
        task.priority = _NEXT_PRIORITY[task.priority]
        task.raised_at = now
        reschedule(state, task, now)


def counts_from(task: Task) -> int:
    """When the present service level began to count."""
    return task.due_from if task.raised_at is None else task.raised_at
