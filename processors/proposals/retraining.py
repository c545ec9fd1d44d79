"""Makes proposals of retraining requests, so that one list holds everything that a person must decide.

A `RetrainingRequest` is about all decisions since the model version began. The override monitor forgets a good past, so
its signals also lead to a proposal when a model that was good for long has become worse lately.
"""

from typing import Any

from interlock.learning.estimates import Estimate, Target
from interlock.processors.events import Event
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.record import opened, proposal_id


def propose_from_request(request: dict[str, Any], table: ProposalTable) -> list[Event]:
    """The proposal of a `RetrainingRequest` record (times as integers), unless the table has it already."""
    name = proposal_id("retraining", request["request_id"])
    if table.get(name) is not None:
        return []
    model = f"{request['model_id']}@{request['model_version']}"
    evidence = {
        key: request[key]
        for key in ("request_id", "limit", "reviewed", "reviewed_override_rate", "first_example", "last_example")
    }
    proposal = opened(
        "retraining",
        name,
        at=request["at"],
        domain=request["domain"],
        model_id=request["model_id"],
        model_version=request["model_version"],
        title=f"Retrain {model}",
        claim=request["reason"],
        evidence=evidence | {"slices": request["slices"]},
        error=_error(request),
    )
    return [table.put(proposal)]


def propose_from_signal(signal: dict[str, Any], table: ProposalTable) -> list[Event]:
    """The proposal that follows from a `DriftSignal` of the override monitor (times as integers); none from others."""
    name = proposal_id("retraining", signal["signal_id"])
    if signal["monitor"] != "overrides" or table.get(name) is not None:
        return []
    proposal = opened(
        "retraining",
        name,
        at=signal["at"],
        domain=signal["domain"],
        model_id=signal["model_id"],
        model_version=signal["model_version"],
        title=f"Retrain {signal['model_id']}@{signal['model_version']}",
        claim=signal["message"],
        evidence={key: signal[key] for key in ("signal_id", "statistic", "threshold", "seen")},
    )
    return [table.put(proposal)]


def _error(request: dict[str, Any]) -> Estimate | None:
    values = [request[f"override_rate_{end}"] for end in ("estimate", "lower", "upper")]
    if None in values:
        return None
    value, low, high = values
    return Estimate("as requested", Target.PROCESS, value, 0.0, low, high, 0, request["reviewed"])
