"""The next resolution of a decision: a new version, and what the outside world has to do about it."""

from interlock.policy.review import AGREE, Terms
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.task import Task, Verdict
from interlock.processors.desk.task_records import action, outcome, resolution
from interlock.processors.desk.verdicts import automatic_verdict, content
from interlock.processors.events import Event
from interlock.processors.outcomes import is_sample
from interlock.schemas import catalogue, json_text

_SECOND = 1_000_000

# What follows the name of a notice that is taken back.
WITHDRAWN = ":withdrawn"


def resolve(
    state: DeskState, task: Task, verdict: Verdict, now: int, *, source: str, decided_by: tuple[str, ...]
) -> list[Event]:
    """Puts the verdict's outcome in force. An effect that took place is rolled back before another one.

    `decided_by`: the people who agreed on it; the verdict of the last one joins the task's verdicts. Empty where the
    policy decided.
    """
    terms = state.terms(task)
    changes = not task.took_effect or content(verdict) != in_effect(task)
    other_reasons = bool(decided_by) and _gives_other_reasons(task, verdict, terms)
    told_with = task.effect if task.notices else 0
    events = []
    if task.took_effect and changes:
        # What is taken back is what was done, for the reason that is given now.
        events.append(action(task, "roll_back", verdict | {"modifications": _changes_in_effect(task)}, now))
    task.version += 1
    task.outcome = verdict["outcome"]
    task.source = source
    task.decided_by = ", ".join(decided_by) or source
    task.decided_at = now
    task.deciding_verdict = 0
    if decided_by:
        task.verdicts = (*task.verdicts, verdict)
        task.deciding_verdict = len(task.verdicts)
    if task.override_until is None or source == "appeal":
        task.override_until = now + terms.override_seconds * _SECOND
    task.final_at = task.override_until if task.override_until > now else None
    notices: tuple[str, ...] = ()
    if changes:
        due = terms.notices.get(task.outcome, ())
        # The subject was told of what is taken back, and learns that it holds no longer.
        notices = (*(f"{told}{WITHDRAWN}" for told in task.notices if told not in due), *due)
        task.notices = due
    elif other_reasons:
        # What the subject was told holds, and the reasons that it gave do not.
        notices = task.notices
    events.append(resolution(task, verdict, source=source, decided_by=decided_by, notices=notices))
    if changes:
        task.effect = task.version
        events.append(action(task, "execute", verdict, now))
    if notices:
        events.append(action(task, "notify", verdict, now, notices, corrects=told_with))
    return events


def _gives_other_reasons(task: Task, verdict: Verdict, terms: Terms) -> bool:
    """Whether a person confirms what holds for a reason that its notices did not give. Who agrees has none of their
    own."""
    if verdict["reason_code"] == AGREE:
        return False
    if not task.deciding_verdict:
        return True  # the policy decided, for the reasons of the model or for none
    before = task.verdicts[task.deciding_verdict - 1]
    if verdict["reason_code"] != before["reason_code"]:
        return True
    return verdict["reason_code"] in terms.own_words and verdict["reason_text"] != before["reason_text"]


def judged(
    state: DeskState, task: Task, verdict: Verdict, now: int, *, kind: str, resolves: bool, claimed_at: int | None
) -> Event:
    """The record of the latest verdict of the task, counted; call it after `state.keep`."""
    record = outcome(
        task,
        verdict,
        kind=kind,
        resolves=resolves,
        claimed_at=claimed_at,
        settled_before=state.settled_before(task, now),
        # A verdict is refused without all that are due.
        attestations=state.terms(task).attestations,
    )
    key = task.tally_key
    if is_sample(record):
        state.tallies.judged(key)
    tally = state.tallies[key]
    record["way_settled"], record["way_judged"] = tally.settled, tally.judged
    record["way_settled_before"] = state.way_settled_before(key, now)
    record["open_audits"], record["open_reviews"] = state.waited_for(task.model_id, task.model_version)
    return Event(catalogue.OUTCOMES, task.decision_id, record)


def finalise(task: Task, now: int) -> list[Event]:
    """Nobody has overridden the resolution in time: it is said once more, as the next version, and as final.

    Nothing is carried out again, and nobody is to be told again: its notices stood in the version that it repeats.
    Where the policy had decided, it is the resolution now that nobody has objected.
    """
    task.version += 1
    task.final_at = None
    if task.deciding_verdict:
        verdict = task.verdicts[task.deciding_verdict - 1]
        decided_by = tuple(task.decided_by.split(", "))
    elif task.source == "timeout":
        verdict = automatic_verdict(task.outcome, "timeout", "nobody decided in time", task, now)
        decided_by = ()
    else:
        verdict = automatic_verdict(task.outcome, "window", "nobody objected in time", task, now)
        decided_by = ()
        task.source = "window"
        task.decided_at = now
    return [resolution(task, verdict, source=task.source, decided_by=decided_by)]


def close(state: DeskState, task: Task) -> None:
    """Nothing more is to be done about the task."""
    task.give_back()
    task.blind = task.blind and not task.arm
    task.state = "done"
    task.stuck = False
    state.keep(task)


def in_effect(task: Task) -> tuple[str, str]:
    """What the resolution in force is for."""
    return task.outcome, json_text.canonical(_changes_in_effect(task))


def _changes_in_effect(task: Task) -> str:
    """The changed fields in the words of the person who changed them: only a person's verdict changes fields."""
    return task.verdicts[task.deciding_verdict - 1]["modifications"] if task.deciding_verdict else ""
