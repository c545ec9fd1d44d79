"""Who had a case in hand, what they were shown, and what they decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from interlock.processors.explanation.model import Look, Verdict
from interlock.processors.explanation.names import Names, begins
from interlock.processors.explanation.records import Entry, Records
from interlock.processors.explanation.words import duration, iso, listed, plain, quoted, when
from interlock.processors.review.times import SECOND

# How a task leaves the hands of somebody, by the event that took it away.
_ENDS: Mapping[str, str] = {
    "submitted": "gave a verdict",
    "resolved": "gave a verdict",
    "overridden": "gave a verdict",
    "override_refused": "gave a verdict",
    "released": "gave it back",
    "expired": "ran out of the time to work on it",
    "escalated": "passed it on to the leads",
    "snoozed": "set it aside",
    "reassigned": "had it taken over by somebody else",
    "timed_out": "had not decided when the caller stopped waiting",
    "appealed": "had not decided when an appeal was filed",
}

# The arm of the experiment in which people decide before they see the answer; as the desk writes it.
_DECIDE_FIRST = "decide-first"

NOT_KEPT = "Who opened the page of the case, and neither took it nor decided, is not kept."

_BLIND = "the case and what is known about it"
_BLIND_WITHHELD = "what the model answered, how sure it was and why, until the verdict was given"
_WHOLE = "the whole case, with the model's answer, its confidence and its reasons"


@dataclass(slots=True)
class _Hold:
    """One lease, as it began."""

    record: Mapping[str, Any]
    since: int


def looks(records: Records, names: Names) -> tuple[Look, ...]:
    """Everybody who had the case in hand, or decided from its page without taking it, in order."""
    found = (*_held(records, names), *_in_passing(records, names))
    return tuple(sorted(found, key=lambda look: look.since))


def _in_passing(records: Records, names: Names) -> Iterator[Look]:
    """Whoever replaced what held: for that nobody takes a case."""
    for entry in records.outcomes:
        record = entry.record
        if record["kind"] != "override" or record["claimed_at"] is not None or not record["reviewer"]:
            continue
        person = names.person(record["reviewer"], record["at"])
        shown, withheld = (_BLIND, _BLIND_WITHHELD) if record["blind"] else (_WHOLE, "")
        hidden = f" Not shown: {withheld}." if withheld else ""
        ended = "decided without taking it"
        text = (
            f"{begins(person)} had the page of the case on {when(record['at'])}, and {ended}. Shown: {shown}.{hidden}"
        )
        at = iso(record["at"])
        yield Look(text, person, at, at, ended, shown, withheld, record["payload_hash"])


def _held(records: Records, names: Names) -> Iterator[Look]:
    hold: _Hold | None = None
    for entry in records.tasks:
        record = entry.record
        if hold is not None and record["lease_epoch"] == hold.record["lease_epoch"] and record["lease_holder"]:
            continue
        if hold is not None:
            yield _look(hold, record["event"], record["at"], records, names)
            hold = None
        if record["lease_holder"]:
            hold = _Hold(record, micros_or(record["lease_since"], record["at"]))
    if hold is not None:
        yield _look(hold, "", 0, records, names)


def micros_or(value: int | None, otherwise: int) -> int:
    """The moment, or the other one where there is none."""
    return otherwise if value is None else value


def _look(hold: _Hold, event: str, until: int, records: Records, names: Names) -> Look:
    record = hold.record
    person = names.person(record["lease_holder"], hold.since)
    judged_before = any(
        entry.record["round"] == record["round"] and entry.record["at"] < hold.since for entry in records.outcomes
    )
    shown, withheld = what_was_shown(record, judged_before=judged_before)
    ended = _ENDS.get(event, "no longer had it") if event else ""
    spent = f" for {duration((until - hold.since) / SECOND)}, and {ended}" if event else " and still has it"
    hidden = f" Not shown: {withheld}." if withheld else ""
    text = f"{begins(person)} had the case from {when(hold.since)}{spent}. Shown: {shown}.{hidden}"
    return Look(
        text,
        person,
        iso(hold.since),
        iso(until) if event else "",
        ended,
        shown,
        withheld,
        record["payload_hash"],
    )


def what_was_shown(task: Mapping[str, Any], *, judged_before: bool) -> tuple[str, str]:
    """What the rules of the review showed to who had this task, and what they withheld. `judged_before`: somebody had
    given a verdict in the same round."""
    statement = ", with the statement of the person concerned" if task["kind"] == "appeal" else ""
    options = ", with the best options and what speaks for and against them" if task["options"] else ""
    if task["arm"]:
        return _shown_in_experiment(task)
    if task["blind"]:
        return f"{_BLIND}{statement}", _BLIND_WITHHELD
    folded = task["route"] == "manual" and task["state"] != "done"
    whole = (
        f"the whole case, with the model's answer folded away until somebody opens it{statement}{options}"
        if folded
        else f"{_WHOLE}{statement}{options}"
    )
    is_second = judged_before and task["quorum"] > 1 and task["kind"] != "override"
    return whole, "the verdict of the first person" if is_second else ""


def _shown_in_experiment(task: Mapping[str, Any]) -> tuple[str, str]:
    """The same in the experiment on how people rely on the AI's answer."""
    first = task["arm"] == _DECIDE_FIRST and task["blind"]
    shown = "once the person had given a first opinion" if first else "at once"
    return (
        f"the case, and {shown} the model's answer with its confidence, in an experiment on how people rely on it",
        "the model's reasons and what else it considered",
    )


def verdicts(records: Records, names: Names) -> tuple[Verdict, ...]:
    """Every verdict, in order: of people, and of the policy where nobody decided in time."""
    return tuple(_verdict(entry, names) for entry in records.outcomes)


def _verdict(entry: Entry, names: Names) -> Verdict:
    record = entry.record
    person = names.person(record["reviewer"], record["at"])
    return Verdict(
        _verdict_text(record, begins(person)),
        person,
        record["verdict"],
        record["outcome"],
        record["overridden"],
        record["resolves"],
        record["blind"],
        record["reason_code"],
        record["reason_text"],
        record["modifications"],
        record["kind"],
        record["round"],
        iso(record["at"]),
        tuple(record["attestations"]),
        "" if record["evidence_opened_at"] is None else iso(record["evidence_opened_at"]),
        record["first_opinion"],
    )


def _verdict_text(record: Mapping[str, Any], name: str) -> str:
    outcome = quoted(record["outcome"])
    if not record["reviewer"]:
        return f"Nobody decided in time; by the policy {outcome} holds then."
    against = f", against the model's {quoted(record['prediction'])}" if record["overridden"] else ", as the model did"
    blind = " without knowing the model's answer" if record["blind"] else ""
    changed = f" It changed: {record['modifications']}." if record["modifications"] else ""
    opinion = record["first_opinion"]
    before = f" The first opinion, before the model's answer was shown: {quoted(opinion)}." if opinion else ""
    looked = record["evidence_opened_at"]
    evidence = "" if looked is None else f" The evidence was opened on {when(looked)}."
    declared = listed([quoted(text) for text in record["attestations"]])
    declaration = f" Declared with it: {declared}." if declared else ""
    alone = "" if record["resolves"] else " This verdict alone did not change what holds."
    said = f"{name} decided for {outcome}{blind}{against}. {because(record)}"
    return f"{said}{changed}{before}{evidence}{declaration}{alone}"


def because(record: Mapping[str, Any]) -> str:
    """The reason that somebody gave, as a sentence."""
    code, text = record["reason_code"], record["reason_text"]
    if text:
        return f"The reason given: {quoted(text)}{f' ({plain(code)})' if code else ''}."
    return f"The reason given: {plain(code)}." if code else "No reason was recorded."
