"""Calls for retraining as proposals, so that everything a person must decide stands in one list.

A `RetrainingRequest` speaks of all decisions since the model version began; the override monitor forgets a good past
and asks as well, where a model that was good for long has lately become worse.
"""

from typing import Any

from interlock.learning.estimates import Estimate, Target
from interlock.processors.events import Event
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.record import opened, proposal_id


def mirror(request: dict[str, Any], book: ProposalTable) -> list[Event]:
    """The proposal of a `RetrainingRequest` record (times as integers), unless it stands in the book already."""
    name = proposal_id("retraining", request["request_id"])
    if book.get(name) is not None:
        return []
    model = f"{request['model_id']}@{request['model_version']}"
    evidence = {
        key: request[key]
        for key in ("request_id", "limit", "reviewed", "reviewed_override_rate", "first_example", "last_example")
    }
    made = opened(
        "retraining",
        name,
        at=request["at"],
        domain=request["domain"],
        model_id=request["model_id"],
        model_version=request["model_version"],
        title=f"Train {model} anew",
        claim=request["reason"],
        evidence=evidence | {"slices": request["slices"]},
        error=_error(request),
    )
    return [book.note(made)]


def ask_after(signal: dict[str, Any], book: ProposalTable) -> list[Event]:
    """The proposal that follows from a `DriftSignal` of the override monitor (times as integers); none from others."""
    name = proposal_id("retraining", signal["signal_id"])
    if signal["monitor"] != "overrides" or book.get(name) is not None:
        return []
    made = opened(
        "retraining",
        name,
        at=signal["at"],
        domain=signal["domain"],
        model_id=signal["model_id"],
        model_version=signal["model_version"],
        title=f"Train {signal['model_id']}@{signal['model_version']} anew",
        claim=signal["message"],
        evidence={key: signal[key] for key in ("signal_id", "statistic", "threshold", "seen")},
    )
    return [book.note(made)]


def _error(request: dict[str, Any]) -> Estimate | None:
    ends = [request[f"override_rate_{end}"] for end in ("estimate", "lower", "upper")]
    if None in ends:
        return None
    value, low, high = ends
    return Estimate("as requested", Target.PROCESS, value, 0.0, low, high, 0, request["reviewed"])
