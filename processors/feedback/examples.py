"""From an outcome to a training example, and which outcomes count as a sample of what the model does."""

import math
from typing import Any

from interlock.errors import InterlockError
from interlock.processors.outcome_kinds import SAMPLED_KINDS

Record = dict[str, Any]

_SAME = (
    "decision_id",
    "domain",
    "model_id",
    "model_version",
    "prediction",
    "overridden",
    "verdict",
    "reason_code",
    "reason_text",
    "modifications",
    "options",
    "propensity",
    "kind",
    "blind",
    "reviewer",
    "policy_version",
    "arrived_at",
    "settled_before",
)


class UnusableOutcomeError(InterlockError, ValueError):
    """An outcome from which nothing may be learned. `reason` is a stable code, the text for a person."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def is_word(outcome: Record) -> bool:
    """Whether it says what people decided.

    The first of two verdicts does not, a gold item is no case, and an audit says it even where it changes nothing.
    """
    return outcome["kind"] == "audit" or bool(outcome["resolves"] and outcome["kind"] != "gold")


def is_sample(outcome: Record) -> bool:
    """Whether it stands for 1/π decisions: what people said of a decision that was sent to them, once.

    Appeals were chosen by those who disagreed. An override counts only as the first word on a decision that was
    waiting for its review, which it replaces.
    """
    if outcome["round"] != 0 or not is_word(outcome):
        return False
    if outcome["kind"] == "override":
        sent = outcome["audit"] or outcome["workflow"] == "post_approval"
        return bool(sent and outcome["outcome_id"].endswith("#1"))
    return outcome["kind"] in SAMPLED_KINDS


def check(outcome: Record) -> None:
    """Raises Unusable for numbers with which every correction for selection would be wrong."""
    propensity = outcome["propensity"]
    if not 0 < propensity <= 1:
        raise UnusableOutcomeError(
            "bad-propensity",
            f"outcome {outcome['outcome_id']} has propensity {propensity}, which must lie in (0, 1]: a decision that "
            "could not reach a person says nothing about others. Audit decisions of this kind at random",
        )
    # A weight is stored as it is: the least propensities would make it infinite.
    if not math.isfinite(1 / propensity):
        raise UnusableOutcomeError("bad-propensity", f"outcome {outcome['outcome_id']}: 1 / {propensity} is not finite")
    for name in ("raw_confidence", "confidence"):
        if not math.isfinite(outcome[name]):
            raise UnusableOutcomeError(
                "bad-confidence",
                f"outcome {outcome['outcome_id']} has {name} {outcome[name]}: the model that produces it must be fixed",
            )


def example(outcome: Record, payload: Record | None) -> Record:
    """A `TrainingExample` record; `payload` is the `RoutedDecision` that was judged, None where it is gone."""
    decision = payload["decision"] if payload is not None else {}
    return {name: outcome[name] for name in _SAME} | {
        "example_id": outcome["outcome_id"],
        "input": decision.get("input", ""),
        "attributes": decision.get("attributes", {}),
        "vector": _finite(decision.get("vector", [])),
        "confidence": outcome["raw_confidence"],
        "calibrated_confidence": outcome["confidence"],
        "final": outcome["outcome"],
        "weight": 1 / outcome["propensity"],
        "decided_at": outcome["at"],
    }


def _finite(vector: list[float]) -> list[float]:
    """A vector with a hole cannot be compared with others: none is better."""
    return vector if all(math.isfinite(one) for one in vector) else []
