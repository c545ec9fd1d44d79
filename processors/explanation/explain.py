"""From the records of a decision to its explanation. The same records give the same explanation, byte for byte."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from interlock.processors.explanation import glossary
from interlock.processors.explanation.contest import contest
from interlock.processors.explanation.deadlines import deadlines
from interlock.processors.explanation.effects import effects, source_words, words
from interlock.processors.explanation.model import Alternative, Answer, Explanation, Factor, Word
from interlock.processors.explanation.names import Names
from interlock.processors.explanation.people import looks, verdicts
from interlock.processors.explanation.records import Entry, Records
from interlock.processors.explanation.rules import policy_of, rules_of
from interlock.processors.explanation.timeline import timeline
from interlock.processors.explanation.words import from_iso, iso, listed, quoted, share, when


def explain(records: Records) -> Explanation:
    """Everything that the records say about their decision."""
    names = Names(records.reviewers)
    routed = first_routed(records)
    policy = policy_of(records, routed.record["policy_version"]) if routed else None
    held = words(records, routed, names)
    decided_at = from_iso(held[-1].decided_at) if held else None
    found = Explanation(
        decision_id=records.decision_id,
        domain=_domain(records, routed),
        subject_id=routed.record["decision"]["subject_id"] if routed else "",
        status=_status(records, routed, held),
        as_of=iso(records.as_of) if records.as_of else "",
        summary=tuple(_summary(records, routed, held)),
        answer=_answer(routed) if routed else None,
        rules=rules_of(records, routed, names) if routed else None,
        looks=looks(records, names),
        verdicts=verdicts(records, names),
        words=held,
        effects=effects(records, routed),
        deadlines=deadlines(records),
        contest=contest(records, routed, policy, decided_at) if routed else None,
        timeline=timeline(records, names),
        content_lost=routed is not None and bool(routed.lost),
        missing=tuple(_missing(records, routed)),
    )
    return replace(found, glossary=glossary.terms(_texts(found.facts())))


def first_routed(records: Records) -> Entry | None:
    """The record of the router that counts: the first one that is no copy for people, or else the first copy."""
    originals = [entry for entry in records.routed if not entry.review_copy]
    return next(iter(originals or records.routed), None)


def _domain(records: Records, routed: Entry | None) -> str:
    if routed is not None:
        return str(routed.record["decision"]["domain"])
    known = (*records.tasks, *records.resolutions, *records.received)
    return next((entry.record["domain"] for entry in known if "domain" in entry.record), "")


def _status(records: Records, routed: Entry | None, held: tuple[Word, ...]) -> str:
    if held:
        return "decided"
    if routed is not None and routed.shadow:
        return "tried"
    return "open" if routed is not None or records.tasks else "unreadable" if records.dead_letters else "open"


def _summary(records: Records, routed: Entry | None, held: tuple[Word, ...]) -> Iterator[str]:
    """The whole in a few sentences."""
    if routed is not None:
        decision = routed.record["decision"]
        yield (
            f"The model {quoted(decision['model_id'])}, version {decision['model_version']}, answered "
            f"{quoted(decision['prediction'])} with a confidence of {share(decision['confidence'])}."
        )
    if not held:
        yield _not_decided(records, routed)
        return
    last = held[-1]
    people = listed([person.name for person in last.decided_by])
    standing = "This is final; only an appeal can change it." if last.final else _until(last)
    first = _first_of(held)
    why = source_words(first.source, people)
    yield f"{quoted(last.outcome)} holds since {when(from_iso(first.decided_at))}: {why}. {standing}".strip()
    before = [word for word in held if word.outcome != last.outcome]
    if before:
        yield f"Before that, {quoted(before[-1].outcome)} had held."
    if any(effect.record["kind"] == "roll_back" for effect in records.actions):
        yield "What had been carried out before was to be taken back."


def _first_of(held: tuple[Word, ...]) -> Word:
    """The version that put in force what holds; later ones may have said it again as final."""
    last = held[-1]
    same = [word for word in held if word.outcome == last.outcome and word.decided_at == last.decided_at]
    return same[0]


def _until(word: Word) -> str:
    return f"It can still be overruled until {when(from_iso(word.override_until))}." if word.override_until else ""


def _not_decided(records: Records, routed: Entry | None) -> str:
    if routed is not None and routed.shadow:
        return "A challenger made it: the answer was noted, and nothing took effect."
    if routed is None and records.dead_letters:
        return "It could not be read, so nothing came of it."
    return "Nothing has taken effect: it waits for a person." if records.tasks else "Nothing has taken effect yet."


def _answer(routed: Entry) -> Answer:
    record = routed.record
    decision = record["decision"]
    explanation = decision["explanation"]
    factors = tuple(
        Factor(one["feature"], one["value"], one["importance"])
        for one in sorted(explanation["top_features"], key=lambda one: -abs(one["importance"]))
    )
    text = (
        f"On {when(decision['created_at'])} the model {quoted(decision['model_id'])}, version "
        f"{decision['model_version']}, answered {quoted(decision['prediction'])} and gave the probability that this is "
        f"right as {share(decision['confidence'])}."
    )
    return Answer(
        text,
        decision["model_id"],
        decision["model_version"],
        decision["prediction"],
        decision["confidence"],
        record["calibrated_confidence"],
        explanation["reasoning"],
        factors,
        tuple(
            Alternative(one["option"], one["confidence"], tuple(one["pros"]), tuple(one["cons"]))
            for one in decision["alternatives"]
        ),
        iso(decision["created_at"]),
    )


def _missing(records: Records, routed: Entry | None) -> Iterator[str]:
    yield from records.missing
    if routed is not None and routed.lost:
        yield "What the model was told, and why it answered as it did, is therefore not told."
    if routed is None and not records.dead_letters:
        yield "There is no record of the rules that chose its route."


def _texts(value: Any) -> Iterator[str]:
    """Every sentence that a reader meets: those under `text` or in the summary and timeline."""
    match value:
        case str():
            yield value
        case Mapping():
            for part in value.values():
                yield from _texts(part)
        case list() | tuple():
            for part in value:
                yield from _texts(part)
