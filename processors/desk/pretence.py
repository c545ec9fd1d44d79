"""What a gold item pretends to be: the task that it looks like, as that one would be by now.

Whoever sends a command about a gold item must get the answer that any other task would give. Nothing of it is recorded:
it follows from the verdicts.
"""

from collections.abc import Sequence
from copy import copy

from interlock.policy.review import Terms
from interlock.processors.desk.task import POLICY, Task, Verdict
from interlock.processors.desk.verdicts import content

_SECOND = 1_000_000

# A verdict with its number among those of the task, from 1.
_Numbered = tuple[int, Verdict]


def ordinary(task: Task, terms: Terms, now: int) -> Task:
    """The task itself; of a gold item a copy that has decided what it pretends to have decided.

    A case that took effect by itself is an audit of what the policy decided when the item was planted, other cases are
    reviews; either may have been appealed.
    """
    if task.kind != "gold":
        return task
    looks = copy(task)
    looks.kind = "audit" if task.route == "auto" else "review"
    window = terms.override_seconds * _SECOND
    rounds: dict[int, list[_Numbered]] = {}
    for number, verdict in enumerate(task.verdicts, 1):
        rounds.setdefault(verdict["round"], []).append((number, verdict))
    # An appeal takes the place of an audit that nobody has judged: its verdicts are the first.
    before_appeals = [] if task.measures else rounds.pop(0, [])
    if task.route == "auto":
        _audited(looks, before_appeals, window)
    elif task.appeals or task.state == "done":
        # Time may have ended it without a verdict.
        _decided(looks, before_appeals, window)
    if task.appeals:
        looks.kind = "appeal"
        _finalise(looks, task.due_from)
        for number in sorted(rounds):
            if task.state == "done" or number < task.round:
                _decided(looks, rounds[number], window)
    if task.state == "done" or not task.appeals:
        _finalise(looks, now)
    return looks


def _audited(audit: Task, verdicts: Sequence[_Numbered], window: int) -> None:
    """The policy's outcome holds until a verdict for another one comes in time, and any that overrides that one."""
    audit.override_until = audit.routed_at + window
    _put_in_force(audit, audit.prediction, [POLICY], audit.routed_at)
    for number, verdict in verdicts:
        if verdict["outcome"] != audit.outcome and verdict["at"] < audit.override_until:
            _put_in_force(audit, verdict["outcome"], [verdict["reviewer"]], verdict["at"], number)


def _decided(task: Task, verdicts: Sequence[_Numbered], window: int) -> None:
    """As many people have decided alike as must, or one more than them; whoever decides after them overrides them."""
    quorum = min(task.quorum, len(verdicts))
    agree = len({content(verdict) for _, verdict in verdicts[:quorum]}) == 1
    needed = quorum if agree else quorum + 1
    if not verdicts or len(verdicts) < needed:
        return
    number, last = verdicts[needed - 1]
    people = [verdict["reviewer"] for _, verdict in verdicts[:needed]] if agree else [last["reviewer"]]
    _put_in_force(task, last["outcome"], people, last["at"], number)
    task.override_until = last["at"] + window
    for number, verdict in verdicts[needed:]:
        _put_in_force(task, verdict["outcome"], [verdict["reviewer"]], verdict["at"], number)


def _finalise(task: Task, now: int) -> None:
    """What holds is said once more, as final, when its window has passed."""
    if task.override_until is not None and now >= task.override_until:
        task.version += 1
        if task.decided_by == POLICY:
            task.decided_at = task.override_until


def _put_in_force(task: Task, outcome: str, people: list[str], at: int, verdict: int = 0) -> None:
    task.version += 1
    task.outcome = outcome
    task.decided_by = ", ".join(people)
    task.decided_at = at
    task.deciding_verdict = verdict
