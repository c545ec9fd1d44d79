"""The stops (kill switches) that concerned a decision when it was routed."""

from collections.abc import Mapping
from typing import Any

from interlock.processors.explanation.model import Control
from interlock.processors.explanation.names import SYSTEM, Names, begins
from interlock.processors.explanation.records import Entry, Records
from interlock.processors.explanation.words import iso, quoted, when
from interlock.schemas.reasons import HALTED


def scopes_of(decision: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes that a decision falls into."""
    model = decision["model_id"]
    return ("all", f"domain:{decision['domain']}", f"model:{model}", f"model:{model}@{decision['model_version']}")


def scope_words(scope: str) -> str:
    """What a scope covers."""
    kind, _, name = scope.partition(":")
    match kind:
        case "all":
            return "everything"
        case "domain":
            return f"all decisions of the kind {quoted(name)}"
        case "model":
            model, _, version = name.partition("@")
            return f"version {version} of the model {quoted(model)}" if version else f"the model {quoted(model)}"
    return quoted(scope)


def in_force(records: Records, routed: Entry, names: Names) -> tuple[Control, ...]:
    """The stops that the router applied, and any that had been set before and had not reached it."""
    record = routed.record
    applied = [reason.removeprefix(HALTED) for reason in record["reasons"] if reason.startswith(HALTED)]
    before = [entry.record for entry in records.controls if entry.record["set_at"] <= record["routed_at"]]
    latest = {control["scope"]: control for control in before}
    stops = {control["scope"]: control for control in before if control["halted"]}
    on_by_record = [scope for scope in scopes_of(record["decision"]) if latest.get(scope) and latest[scope]["halted"]]
    scopes = dict.fromkeys((*applied, *on_by_record))
    return tuple(_control(scope, stops.get(scope), scope in applied, names) for scope in scopes)


def text(stops: tuple[Control, ...], record: Mapping[str, Any]) -> str:
    """Whether anything was stopped at that moment."""
    if not stops:
        return "No stop (kill switch) was on for it at that moment."
    return f"When it was routed, on {when(record['routed_at'])}, a stop (kill switch) was on."


def _control(scope: str, record: Mapping[str, Any] | None, applied: bool, names: Names) -> Control:
    if record is None:
        # Told by the route alone: the record of it is not kept, or came with another clock.
        return Control(f"A stop for {scope_words(scope)} was on.", scope, "", SYSTEM, "")
    person = names.person(record["set_by"], record["set_at"])
    told = f"{begins(person)} had stopped {scope_words(scope)} on {when(record['set_at'])}: {quoted(record['reason'])}."
    late = "" if applied else " The stop had not reached the router yet when it chose the route."
    return Control(f"{told}{late}", scope, record["reason"], person, iso(record["set_at"]))
