"""What held from when on, and what the outside world was told to do."""

from collections.abc import Mapping
from typing import Any

from interlock.processors.explanation.model import Effect, Word
from interlock.processors.explanation.names import Names
from interlock.processors.explanation.people import because
from interlock.processors.explanation.records import Entry, Records
from interlock.processors.explanation.words import iso, listed, plain, quoted, when

# What follows the name of a notice that is taken back; as the desk writes it.
_WITHDRAWN = ":withdrawn"

AUTO = "auto"


def words(records: Records, routed: Entry | None, names: Names) -> tuple[Word, ...]:
    """Every version of what held, in order."""
    first = _by_itself(records, routed) if routed is not None else None
    later = tuple(_word(entry, names, repeats=repeats(entry.record, records)) for entry in records.resolutions)
    return (first, *later) if first else later


def repeats(record: Mapping[str, Any], records: Records) -> bool:
    """Whether a version says an earlier one again, because that has become final."""
    return record["final"] and any(
        other.record["version"] < record["version"] and other.record["decided_at"] == record["decided_at"]
        for other in records.resolutions
    )


def effects(records: Records, routed: Entry | None) -> tuple[Effect, ...]:
    """What had to be done, in order."""
    first = _took_effect(routed) if routed is not None else None
    return (*((first,) if first else ()), *(_effect(entry.record) for entry in records.actions))


def notice_words(name: str) -> str:
    """A notice, for a sentence."""
    told = name.removesuffix(_WITHDRAWN)
    return f"that the notice “{plain(told)}” no longer holds" if name.endswith(_WITHDRAWN) else f"“{plain(told)}”"


def _by_itself(records: Records, routed: Entry) -> Word | None:
    """The answer of the model, where it took effect without a person and no record of the desk says so."""
    record = routed.record
    told = any(entry.record["source"] == "policy" for entry in records.resolutions)
    if record["route"] != AUTO or record["override_until"] is not None or routed.shadow or told:
        return None
    outcome = record["decision"]["prediction"]
    text = f"{quoted(outcome)} held from {when(record['routed_at'])} on: {source_words(AUTO, '')}."
    return Word(text, 0, outcome, AUTO, (), iso(record["routed_at"]), True, "", "", "", "")


def _took_effect(routed: Entry) -> Effect | None:
    record = routed.record
    if record["route"] != AUTO or routed.shadow:
        return None
    outcome = record["decision"]["prediction"]
    told = f" Notices due to the person concerned: {_notices(record['notices'])}." if record["notices"] else ""
    text = f"{quoted(outcome)} was handed over to be carried out at once.{told}"
    return Effect(text, "execute", 0, outcome, tuple(record["notices"]), iso(record["routed_at"]))


def _word(entry: Entry, names: Names, *, repeats: bool) -> Word:
    record = entry.record
    people = names.people(record["decided_by"], record["decided_at"])
    until = record["override_until"]
    return Word(
        _word_text(record, listed([person.name for person in people]), repeats=repeats),
        record["version"],
        record["outcome"],
        record["source"],
        people,
        iso(record["decided_at"]),
        record["final"],
        "" if until is None else iso(until),
        record["reason_code"],
        record["reason_text"],
        record["modifications"],
    )


def _word_text(record: Mapping[str, Any], people: str, *, repeats: bool) -> str:
    if repeats:
        return f"{quoted(record['outcome'])} became final: nobody overruled it in time. Only an appeal can change it."
    until = record["override_until"]
    if record["final"]:
        standing = "It is final: only an appeal can change it."
    elif until is not None:
        standing = f"It could still be overruled until {when(until)}."
    else:
        standing = "It could still be overruled."
    begin = f"{quoted(record['outcome'])} held from {when(record['decided_at'])} on"
    return f"{begin}: {source_words(record['source'], people)}. {standing}"


def source_words(source: str, people: str) -> str:
    """Why something holds; `people`: those who decided, for a sentence."""
    match source:
        case "review":
            return f"{people} decided so"
        case "override":
            return f"{people} overruled what had held"
        case "appeal":
            return f"{people} decided so on appeal"
        case "auto":
            return "the rules let the model's answer take effect"
        case "policy":
            return "the rules let the model's answer take effect, to be reviewed afterwards"
        case "window":
            return "it had taken effect by itself, and nobody objected in time"
        case "timeout":
            return "nobody decided in time, and this is the safe outcome that the policy names"
    return plain(source) or "it took effect"


def _effect(record: Mapping[str, Any]) -> Effect:
    return Effect(
        effect_text(record),
        record["kind"],
        record["version"],
        record["outcome"],
        tuple(record["notices"]),
        iso(record["at"]),
        record["text"],
    )


def effect_text(record: Mapping[str, Any]) -> str:
    """What was to be done, as a sentence."""
    outcome = quoted(record["outcome"])
    match record["kind"]:
        case "execute":
            changed = f", with the changes {record['modifications']}" if record["modifications"] else ""
            return f"{outcome} was handed over to be carried out{changed}."
        case "roll_back":
            # The outcome of the action is that which is taken back: it was in force when the desk wrote it.
            return f"What had been carried out, {outcome}, was to be taken back. {because(record)}"
        case "notify":
            return f"The person concerned was to be told: {_notices(record['notices'])}."
        case "notice":
            correction = f" It corrects what was sent for version {record['corrects']}." if record["corrects"] else ""
            written = f"The text was written for the person concerned: {_notices(record['notices'])}"
            return f"{written}, in the language {quoted(record['language'])}.{correction}"
    return f"{plain(record['kind']).capitalize()}: {outcome}."


def _notices(names: list[str] | tuple[str, ...]) -> str:
    return listed([notice_words(name) for name in names])
