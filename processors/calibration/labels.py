"""Which outcomes say whether a model was right, and what they say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.errors import InterlockError
from interlock.processors.outcomes import is_sample, way


class BadLabelError(InterlockError, ValueError):
    """An outcome that must not be used. `reason` is a stable code."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Label:
    """One reviewed decision. `confidence`: the model's own; `propensity`: π, with which it was sent to a person;
    `way`: how it came there; `at`: when it was counted, microseconds since the epoch."""

    model_id: str
    model_version: str
    domain: str
    confidence: float
    correct: bool
    propensity: float
    at: int
    way: str

    @property
    def model(self) -> str:
        """The key of its records in topics."""
        return f"{self.model_id}@{self.model_version}"


def label(outcome: Mapping[str, Any]) -> Label | None:
    """The label in an `Outcome` record (times as integers), None if it is no sample; raises BadLabelError.

    Every decision gives at most one label.
    """
    if not is_sample(outcome):
        return None
    if not 0 < outcome["propensity"] <= 1:
        raise BadLabelError(
            "bad-propensity", f"{outcome['outcome_id']}: propensity {outcome['propensity']} is not in (0, 1]"
        )
    if not 0 <= outcome["raw_confidence"] <= 1:
        raise BadLabelError(
            "bad-confidence", f"{outcome['outcome_id']}: confidence {outcome['raw_confidence']} is no probability"
        )
    return Label(
        outcome["model_id"],
        outcome["model_version"],
        outcome["domain"],
        outcome["raw_confidence"],
        outcome["outcome"] == outcome["prediction"],
        outcome["propensity"],
        outcome["at"],
        way(outcome),
    )
