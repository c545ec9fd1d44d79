"""By when people had to decide, and whether they did."""

from collections.abc import Mapping
from typing import Any

from interlock.processors.explanation.model import Deadline
from interlock.processors.explanation.records import Records
from interlock.processors.explanation.words import duration, iso, when
from interlock.processors.review.times import SECOND

# The events with which a task ends although nobody judged it: what holds was to hold in that case.
_WITHOUT_VERDICT = frozenset({"window_closed", "not_judged"})


def deadlines(records: Records) -> tuple[Deadline, ...]:
    """One for each time that people were asked, in order: the first review, and each appeal."""
    asked: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for entry in records.tasks:
        record = entry.record
        asked.setdefault((record["round"], record["due_from"]), []).append(record)
    return tuple(_deadline(states) for states in asked.values())


def _deadline(states: list[Mapping[str, Any]]) -> Deadline:
    last = states[-1]
    # What was demanded while the task was open: a decided one keeps its last deadline.
    due = last["deadline"]
    breached = next((state for state in states if state["event"] == "breached"), None)
    decided = next((state for state in states if state["state"] == "done"), None)
    span = duration((due - last["due_from"]) / SECOND)
    begin = f"To be decided by {when(due)}, {span} after people were asked (priority {last['priority']})"
    if decided is not None and decided["event"] in _WITHOUT_VERDICT:
        return Deadline(
            f"{begin}. It ended without a verdict.", iso(last["due_from"]), iso(due), last["priority"], kept=None
        )
    if breached is not None:
        ended = "It is still open." if decided is None else f"It was done on {when(decided['at'])}."
        missed = f"{begin}. The deadline of {when(breached['deadline'])} was missed, and people were told. {ended}"
        return Deadline(missed, iso(last["due_from"]), iso(due), last["priority"], kept=False)
    if decided is None:
        return Deadline(f"{begin}. It is still open.", iso(last["due_from"]), iso(due), last["priority"], kept=None)
    early = (due - decided["at"]) / SECOND
    kept = early > 0
    margin = f"{duration(early)} {'before' if kept else 'after'} that"
    return Deadline(f"{begin}. It was done {margin}.", iso(last["due_from"]), iso(due), last["priority"], kept=kept)
