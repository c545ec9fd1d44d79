"""`Proposal` records."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interlock.processors.proposals.proposal_table import Proposal

if TYPE_CHECKING:
    from interlock.learning.estimates import Estimate

# The actor that revokes proposals, and halts models when it does.
LEARNING = "learning"

# Kinds that rest on a certificate and change the policy.
CERTIFIED = ("threshold", "safe_rule")

# The kind of a policy that a person asks for.
POLICY = "policy"


def proposal_id(kind: str, *about: object) -> str:
    """An id that a person can type; the same for the same proposal in every replay."""
    text = json.dumps([kind, *(str(part) for part in about)], ensure_ascii=False)
    return f"{kind.replace('_', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def opened(
    kind: str,
    name: str,
    *,
    title: str,
    claim: str,
    at: int,
    evidence: Mapping[str, Any],
    change: Mapping[str, Any] | None = None,
    domain: str = "",
    model_id: str = "",
    model_version: str = "",
    workload: "Estimate | None" = None,
    error: "Estimate | None" = None,
    policy: str = "",
    policy_version: str = "",
) -> Proposal:
    """A proposal that waits for a person. `workload`: share of decisions that people no longer have to see."""
    return {
        "proposal_id": name,
        "kind": kind,
        "state": "open",
        "domain": domain,
        "model_id": model_id,
        "model_version": model_version,
        "title": title,
        "change": "" if change is None else _json(change),
        "evidence": _json(evidence),
        "claim": claim,
        **_interval("workload", workload),
        **_interval("error", error),
        "policy": policy,
        "policy_version": policy_version,
        "proposed_at": at,
        "decided_at": None,
        "decided_by": "",
        "reason": "",
    }


def revoked(proposal: Proposal, reason: str, at: int) -> Proposal:
    """The proposal, which no longer holds."""
    return proposal | {"state": "revoked", "decided_at": at, "decided_by": LEARNING, "reason": reason}


def lane_of(proposal: Proposal) -> tuple[str, str, str, str] | None:
    """Domain, prediction, model and version of a threshold or safe rule; None for other proposals."""
    if proposal["kind"] not in CERTIFIED:
        return None
    prediction = json.loads(proposal["change"])["prediction"]
    return proposal["domain"], prediction, proposal["model_id"], proposal["model_version"]


def _interval(name: str, estimate: "Estimate | None") -> dict[str, float | None]:
    if estimate is None:
        return dict.fromkeys((f"{name}_estimate", f"{name}_lower", f"{name}_upper"))
    return {
        f"{name}_estimate": estimate.value,
        f"{name}_lower": min(estimate.low, estimate.value),
        f"{name}_upper": max(estimate.high, estimate.value),
    }


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)
