"""What a gold item pretends to be: the task that it looks like, as that one would be by now.

Whoever sends a command about a gold item must get the answer that any other task would give. Nothing of it is recorded:
it follows from the verdicts.
"""

from copy import copy

from interlock.policy.review import Terms
from interlock.processors.desk.task import POLICY, Task
from interlock.processors.desk.verdicts import content

_SECOND = 1_000_000


def ordinary(task: Task, terms: Terms, now: int) -> Task:
    """The task itself; of a gold item a copy that has decided what it pretends to have decided.

    A case that took effect by itself is an audit of what the policy decided when the item was planted, other cases are
    reviews.
    """
    if task.kind != "gold":
        return task
    window = terms.override_seconds * _SECOND
    return _audited(task, window, now) if task.route == "auto" else _reviewed(task, window)


def _audited(task: Task, window: int, now: int) -> Task:
    """The policy's outcome holds until a verdict for another one comes in time, and any that overrides that one."""
    audit = copy(task)
    audit.kind = "audit"
    audit.override_until = task.routed_at + window
    _put_in_force(audit, task.prediction, [POLICY], task.routed_at)
    for number, verdict in enumerate(task.verdicts, 1):
        if verdict["outcome"] != audit.outcome and verdict["at"] < audit.override_until:
            _put_in_force(audit, verdict["outcome"], [verdict["reviewer"]], verdict["at"], number)
    if audit.decided_by == POLICY and now >= audit.override_until:
        # It is said once more, as final, when nobody has objected in time.
        audit.decided_at = audit.override_until
    return audit


def _reviewed(task: Task, window: int) -> Task:
    """Nothing holds until as many people have decided alike as must, or one more than them."""
    review = copy(task)
    review.kind = "review"
    agree = len({content(verdict) for verdict in task.verdicts[: task.quorum]}) == 1
    needed = task.quorum if agree else task.quorum + 1
    if task.state != "done" or len(task.verdicts) < needed:
        # Time may have ended it before.
        return review
    first, last = task.verdicts[:needed], task.verdicts[-1]
    overridden = len(task.verdicts) > needed
    people = [verdict["reviewer"] for verdict in first] if agree and not overridden else [last["reviewer"]]
    review.override_until = first[-1]["at"] + window
    _put_in_force(review, last["outcome"], people, last["at"], len(task.verdicts))
    return review


def _put_in_force(task: Task, outcome: str, people: list[str], at: int, verdict: int = 0) -> None:
    task.version += 1
    task.outcome = outcome
    task.decided_by = ", ".join(people)
    task.decided_at = at
    task.deciding_verdict = verdict
