"""Makes proposals of retraining requests, so that one list holds everything that a person must decide.

The override monitor once asked as well: such proposals have a `signal_id` for a `request_id`.
"""

from typing import Any

from interlock.learning.estimates import Estimate, Target
from interlock.processors.events import Event
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.processors.proposals.record import opened, proposal_id, revoked
from interlock.schemas.times import moment

# What a proposal shows of its request besides claim and interval.
_EVIDENCE = (
    "request_id",
    "kind",
    "changed_at",
    "limit",
    "reviewed",
    "reviewed_override_rate",
    "reviewed_since_change",
    "answered",
    "first_example",
    "last_example",
    "slices_since_change",
    "slices",
)


def propose_from_request(request: dict[str, Any], table: ProposalTable) -> list[Event]:
    """The proposal of a `RetrainingRequest` record (times as integers), unless the table has it already. It replaces
    open ones about the same model version."""
    name = proposal_id("retraining", request["request_id"])
    if table.get(name) is not None:
        return []
    about = ("retraining", "open", request["model_id"], request["model_version"])
    older = [
        known
        for known in table
        if (known["kind"], known["state"], known["model_id"], known["model_version"]) == about
        and known["proposed_at"] <= request["at"]
    ]
    model = f"{request['model_id']}@{request['model_version']}"
    evidence = {key: request[key] for key in _EVIDENCE}
    if request["changed_at"] is not None:
        evidence["changed_at"] = moment(request["changed_at"]).isoformat()
    evidence["export"] = f"interlock export training-examples --model {model} --out examples.parquet"
    proposal = opened(
        "retraining",
        name,
        at=request["at"],
        domain=request["domain"],
        model_id=request["model_id"],
        model_version=request["model_version"],
        title=f"Retrain {model}",
        claim=request["reason"],
        evidence=evidence,
        error=_error(request),
    )
    replaced = [table.put(revoked(known, "replaced by a newer request", request["at"])) for known in older]
    return [*replaced, table.put(proposal)]


def _error(request: dict[str, Any]) -> Estimate | None:
    """The override rate of the decisions that the request is about, with its interval."""
    since = request["kind"] == "change"
    rate = "rate_since_change" if since else "override_rate"
    values = [request[name] for name in (rate if since else "override_rate_estimate", f"{rate}_lower", f"{rate}_upper")]
    if None in values:
        return None
    value, low, high = values
    return Estimate(
        "as requested",
        Target.PROCESS,
        value,
        0.0,
        low,
        high,
        0,
        request["reviewed_since_change" if since else "reviewed"],
    )
