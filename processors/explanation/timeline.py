"""Everything that happened to a decision, in order, one sentence each."""

from collections.abc import Iterator, Mapping
from typing import Any

from interlock.processors.explanation.effects import effect_text, repeats, source_words
from interlock.processors.explanation.model import Happening
from interlock.processors.explanation.names import Names, begins
from interlock.processors.explanation.people import because
from interlock.processors.explanation.records import Entry, Records
from interlock.processors.explanation.rules import route_text
from interlock.processors.explanation.words import after, iso, listed, plain, quoted, sentence, share, stopped, when

# Verdicts, resolutions and actions tell of these themselves.
_TOLD_ELSEWHERE = frozenset({"submitted", "resolved", "overridden", "final", "window_closed"})

# What became of a task, by the event of its record. Names in braces are those of `_fields`.
_EVENTS: Mapping[str, str] = {
    "arrived": "The case came to people, in the queue {queue}, to be decided by {deadline}",
    "taken_over": "It had taken effect, and the case was kept so that people can still take it up",
    "repeated": "The same decision came again and was ignored",
    "assigned": "The case was given to {assigned}",
    "unassigned": "The case was given back to the queue, because it was not begun in time",
    "claimed": "{actor} took the case",
    "extended": "{actor} asked for more time and has the case until {lease_until}",
    "released": "{actor} gave the case back",
    "expired": "The time to work on the case ran out without a verdict",
    "submitted": "{actor} gave a verdict",
    "resolved": "{actor} decided the case",
    "escalated": "{actor} passed the case on to the leads{note}",
    "de_escalated": "{actor} gave the case back to the team{note}",
    "reassigned": "{actor} gave the case to {assigned}",
    "snoozed": "{actor} set the case aside until {snoozed_until}",
    "woken": "The case came back after it had been set aside",
    "warned": "Three quarters of the time until the deadline had passed, and people were warned",
    "breached": "The deadline was missed, and people were told",
    "raised": "The missed deadline raised the priority to {priority}, with a new deadline: {deadline}",
    "overridden": "{actor} overruled what held",
    "override_proposed": "{actor} proposed to overrule what holds; a second person has to agree",
    "override_refused": "{actor} did not agree to overrule what holds",
    "override_lapsed": "Nobody answered the proposal to overrule in time, so what held goes on",
    "appealed": "{actor} filed an appeal{on_behalf_of}{statement}",
    "recalled": "{actor} recalled what had taken effect, so that a person judges it{note}",
    "window_closed": "Nobody objected in time",
    "final": "Nobody overruled it in time, so it became final",
    "timed_out": "The caller stopped waiting before anybody had decided",
    "caller_left": "The caller stopped waiting",
    "rescheduled": "The deadline changed to {deadline}",
    "first_opinion": "{actor} gave a first opinion, and was then shown the model's answer",
    "evidence_opened": "{actor} opened the evidence of the case",
    "opened_up": "Nobody was left who might decide it, so more people may",
    "nobody_can_decide": "Nobody on the roster may decide it, and the operators were told",
    "somebody_can_decide": "Somebody on the roster may decide it again",
    "not_judged": "The review ended without a verdict, because its time was over",
    "duties_kept": "A later policy demands less; what was demanded when it was routed still counts",
    "restored": "The case was opened again from the lasting store",
    "lease_warned": "{actor} was warned that the time to work on the case ends soon",
}


def timeline(records: Records, names: Names) -> tuple[Happening, ...]:
    """What happened, by the clock of whoever noted it; what happened at one moment in the order of the pipeline."""
    start = min((entry.record["routed_at"] for entry in records.routed), default=records.as_of)
    steps = sorted(_steps(records, names), key=lambda step: step[:2])  # stable: of one kind in the order of its log
    return tuple(Happening(iso(at), after(start, at), text, place) for at, _, text, place in steps)


def events_with_words() -> frozenset[str]:
    """The events of tasks that have a sentence of their own."""
    return frozenset(_EVENTS)


def _steps(records: Records, names: Names) -> Iterator[tuple[int, int, str, str]]:
    """Moment, order among what happened at the same moment, sentence, and place of the record."""
    for entry in records.received:
        yield from _received(entry)
    for entry in records.dead_letters:
        text = f"it could not be read and was set aside: {entry.record['message'] or entry.record['reason']}"
        yield entry.logged_at, 2, sentence(text), entry.place
    for entry in records.routed:
        yield entry.record["routed_at"], 3 if entry.review_copy else 2, _routed(entry), entry.place
    for entry in records.tasks:
        record = entry.record
        if record["event"] not in _TOLD_ELSEWHERE:
            yield record["at"], 4, _event(record, names), entry.place
    for entry in records.outcomes:
        record = entry.record
        yield record["at"], 5, _verdict(record, names), entry.place
    for entry in records.resolutions:
        record = entry.record
        again = repeats(record, records)
        at = entry.logged_at if again else record["decided_at"]
        yield at, 6, _resolution(record, names, again=again), entry.place
    for entry in records.actions:
        yield entry.record["at"], 7, effect_text(entry.record), entry.place
    for entry in records.replies:
        record = entry.record
        if not record["accepted"]:
            yield record["at"], 8, _refusal(record, names), entry.place


def _received(entry: Entry) -> Iterator[tuple[int, int, str, str]]:
    record = entry.record
    if "created_at" not in record:
        yield entry.logged_at, 1, "The decision was received, and could not be read.", entry.place
        return
    model = f"The model {quoted(record['model_id'])}, version {record['model_version']},"
    text = f"{model} answered {quoted(record['prediction'])} with a confidence of {share(record['confidence'])}."
    yield record["created_at"], 0, text, entry.place
    yield entry.logged_at, 1, "The decision was received.", entry.place


def _routed(entry: Entry) -> str:
    if entry.shadow:
        return "The router noted what it would have done with it; a challenger made it, so it had no effect."
    if entry.review_copy:
        return "It was sent to people as well."
    return f"The rules chose its route. {route_text(entry)}"


def _event(record: Mapping[str, Any], names: Names) -> str:
    at = record["at"]
    said = record["escalation_note"]
    named = record["on_behalf_of"]
    text = _EVENTS.get(record["event"])
    if text is None:
        return f"{begins(names.person(record['actor'], at))}: {plain(record['event'])}."
    return stopped(
        text.format(
            queue=quoted(record["queue"]),
            deadline=when(record["deadline"]),
            priority=record["priority"],
            assigned=names.person(record["assigned_to"], at).name if record["assigned_to"] else "somebody",
            actor=begins(names.person(record["actor"], at)),
            lease_until=_moment(record["lease_until"]),
            snoozed_until=_moment(record["snoozed_until"]),
            note=f", saying: {quoted(said)}" if said else "",
            on_behalf_of=f" in the name of {named}" if named else "",
            statement=f", saying: {quoted(record['statement'])}" if record["statement"] else "",
        )
    )


def _moment(value: int | None) -> str:
    return "a time that was not noted" if value is None else when(value)


def _verdict(record: Mapping[str, Any], names: Names) -> str:
    if not record["reviewer"]:
        return f"Nobody decided in time; by the policy {quoted(record['outcome'])} holds."
    person = begins(names.person(record["reviewer"], record["at"]))
    blind = " without knowing the model's answer" if record["blind"] else ""
    return f"{person} decided for {quoted(record['outcome'])}{blind}. {because(record)}"


def _resolution(record: Mapping[str, Any], names: Names, *, again: bool) -> str:
    outcome = quoted(record["outcome"])
    if again:
        return f"Nobody overruled it in time: {outcome} became final."
    people = listed([person.name for person in names.people(record["decided_by"], record["decided_at"])])
    standing = ", finally" if record["final"] else ""
    return f"From then on {outcome} held{standing}: {source_words(record['source'], people)}."


def _refusal(record: Mapping[str, Any], names: Names) -> str:
    person = begins(names.person(record["actor"], record["at"]))
    return stopped(f"{person} asked to {plain(record['kind'])}, which was refused: {record['message']}")
