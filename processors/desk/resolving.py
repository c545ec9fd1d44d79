"""The next word on a decision: a new version, and what the outside world has to do about it."""

from interlock.processors import events
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task, Verdict
from interlock.processors.events import Event

_SECOND = 1_000_000


def resolve(
    state: DeskState, task: Task, verdict: Verdict, now: int, *, source: str, decided_by: tuple[str, ...]
) -> list[Event]:
    """Makes the verdict's outcome the word that holds. An effect that took place is rolled back before another one."""
    terms = state.terms(task)
    changes = not task.took_effect or content(verdict) != in_effect(task)
    made = []
    if task.took_effect and changes:
        # What is taken back is what was done, for the reason that is given now.
        made.append(events.action(task, "roll_back", verdict | {"modifications": in_effect(task)[1]}, now))
    task.version += 1
    task.outcome = verdict["outcome"]
    task.decided_by = ", ".join(decided_by) or source
    task.decided_at = now
    if task.override_until is None or source == "appeal":
        task.override_until = now + terms.override_seconds * _SECOND
    notice = terms.notices.get(task.outcome)
    notices = (notice,) if notice and changes else ()
    made.append(events.resolution(task, verdict, source=source, decided_by=decided_by, final=True, notices=notices))
    if changes:
        task.effect = task.version
        made.append(events.action(task, "execute", verdict, now))
    if notices:
        made.append(events.action(task, "notify", verdict, now, notices))
    return made


def close(state: DeskState, task: Task) -> None:
    """Nothing more is to be done about the task."""
    task.give_back()
    task.state = "done"
    state.keep(task)


def content(verdict: Verdict) -> tuple[str, str]:
    """What a verdict is for: the outcome and the changed fields."""
    return verdict["outcome"], verdict["modifications"]


def in_effect(task: Task) -> tuple[str, str]:
    """What the present resolution is for: the fields are those of the verdict that made it, if a person's did."""
    for one in reversed(task.verdicts):
        if one["at"] == task.decided_at and f", {task.decided_by}".endswith(f", {one['reviewer']}"):
            return task.outcome, one["modifications"]
    return task.outcome, ""
