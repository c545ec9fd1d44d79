"""Makes training examples of outcomes."""

import math
from typing import Any

from interlock.errors import InterlockError
from interlock.processors.outcomes import way

Record = dict[str, Any]

_COPIED_FIELDS = (
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
    "audit",
    "round",
    "way_settled",
    "way_judged",
    "way_settled_before",
)


class UnusableOutcomeError(InterlockError, ValueError):
    """An outcome from which nothing may be learned. `reason` is a stable code, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def check(outcome: Record) -> None:
    """Raises UnusableOutcomeError for numbers that would make every correction for selection wrong."""
    propensity = outcome["propensity"]
    if not 0 < propensity <= 1:
        raise UnusableOutcomeError(
            "bad-propensity",
            f"outcome {outcome['outcome_id']} has propensity {propensity}, which must lie in (0, 1]: a decision that "
            "could not reach a person says nothing about others. Audit decisions of this kind at random",
        )
    # The weight is stored, and the smallest propensities would make it infinite.
    if not math.isfinite(1 / propensity):
        raise UnusableOutcomeError("bad-propensity", f"outcome {outcome['outcome_id']}: 1 / {propensity} is not finite")
    for name in ("raw_confidence", "confidence"):
        if not math.isfinite(outcome[name]):
            raise UnusableOutcomeError(
                "bad-confidence",
                f"outcome {outcome['outcome_id']} has {name} {outcome[name]}: the model that produces it must be fixed",
            )


def example(outcome: Record, payload: Record | None) -> Record:
    """A `TrainingExample` record; `payload` is the `RoutedDecision` that was judged, None if it is gone."""
    decision = payload["decision"] if payload is not None else {}
    return {name: outcome[name] for name in _COPIED_FIELDS} | {
        "example_id": outcome["outcome_id"],
        "input": decision.get("input", ""),
        "attributes": decision.get("attributes", {}),
        "vector": _finite(decision.get("vector", [])),
        "confidence": outcome["raw_confidence"],
        "calibrated_confidence": outcome["confidence"],
        "final": outcome["outcome"],
        "weight": 1 / outcome["propensity"],
        "decided_at": outcome["at"],
        "way": way(outcome),
    }


def _finite(vector: list[float]) -> list[float]:
    """The vector, or none if a component is missing: it could not be compared with others."""
    return vector if all(math.isfinite(component) for component in vector) else []
