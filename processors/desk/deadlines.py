"""Service levels: until when a task must be decided, and when people are warned."""

from interlock.policy import review
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task


def reschedule(state: DeskState, task: Task, now: int) -> None:
    """Deadline, warning and qualifications as the policy in force has them; of a new deadline nobody was told yet."""
    terms = state.terms(task)
    before = task.deadline
    task.deadline = review.deadline(terms, task.priority, task.due_from)
    if task.window_open_until is not None:
        # A review that comes after the window cannot change anything any more.
        task.deadline = min(task.deadline, task.window_open_until)
    task.qualifications = terms.qualifications
    task.deadline_policy = terms.policy_version
    set_warning(state, task)
    if task.deadline != before:
        task.breached = task.breached and task.deadline <= now
        task.warned = task.warned and task.warn_at <= now


def set_warning(state: DeskState, task: Task) -> None:
    """When three quarters of the time until the deadline are over, in working time."""
    terms = state.terms(task)
    task.warn_at = review.warning(terms, task.priority, task.due_from)
    if task.window_open_until is not None:
        task.warn_at = min(task.warn_at, task.due_from + (task.window_open_until - task.due_from) * 3 // 4)
