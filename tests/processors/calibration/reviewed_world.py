"""A model whose truth is known, and what people say about the decisions that a policy shows them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import expit, logit

START = 1_767_225_600_000_000  # 2026-01-01
SECOND = 1_000_000


@dataclass
class World:
    """P(right) = sigmoid(intercept + slope · logit(confidence)). From `auto` on only audits are seen, at `rate`."""

    slope: float = 1.0
    intercept: float = 0.0
    auto: float = 0.9
    rate: float = 0.1
    seed: int = 1
    version: str = "7"
    rng: np.random.Generator = field(init=False)
    decided: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def decide(self, count: int) -> Iterator[tuple[float, bool, float, bool]]:
        """(confidence, right, π, reviewed) of further decisions."""
        for _ in range(count):
            confidence = min(max(self.rng.beta(3, 1), 0.5), 0.999)
            right = bool(self.rng.random() < self.truth(confidence))
            pi = self.rate if confidence >= self.auto else 1.0
            self.decided += 1
            yield confidence, right, pi, bool(self.rng.random() < pi)

    def truth(self, confidence: float) -> float:
        return float(expit(self.intercept + self.slope * logit(confidence)))

    def outcomes(self, count: int) -> Iterator[dict[str, Any]]:
        """The `Outcome` records of `count` further decisions."""
        for confidence, right, pi, reviewed in self.decide(count):
            if reviewed:
                yield outcome(
                    self.decided,
                    confidence=confidence,
                    outcome="approve" if right else "reject",
                    propensity=pi,
                    kind="audit" if pi < 1 else "review",
                    model_version=self.version,
                )

    def examples(self, count: int, **fields: Any) -> Iterator[dict[str, Any]]:
        """The `TrainingExample` records of `count` further decisions."""
        for confidence, right, pi, reviewed in self.decide(count):
            if reviewed:
                yield example(
                    self.decided,
                    confidence=confidence,
                    final="approve" if right else "reject",
                    propensity=pi,
                    kind="audit" if pi < 1 else "review",
                    model_version=self.version,
                    **fields,
                )


def outcome(number: int, **fields: Any) -> dict[str, Any]:
    """An `Outcome` record of a first review; `confidence` is the model's own as well."""
    at = START + number * SECOND
    record: dict[str, Any] = {
        "outcome_id": f"d{number}#1",
        "task_id": f"d{number}",
        "decision_id": f"d{number}",
        "kind": "review",
        "reviewer": "ana",
        "verdict": "approve",
        "outcome": "approve",
        "prediction": "approve",
        "resolves": True,
        "gold_outcome": "",
        "seeded": False,
        "reason_code": "agree",
        "reason_text": "fine",
        "modifications": "",
        "options": [],
        "at": at,
        "arrived_at": at - SECOND,
        "claimed_at": at - SECOND,
        "deadline": at + SECOND,
        "within_sla": True,
        "queue": "general",
        "priority": "low",
        "route": "async",
        "workflow": "escalation",
        "domain": "loan",
        "model_id": "scorer",
        "model_version": "7",
        "confidence": 0.9,
        "propensity": 1.0,
        "audit": False,
        "blind": False,
        "round": 0,
        "policy_version": "p1",
        "payload_hash": "",
        "topic": "reviews.async",
        "partition": 0,
        "offset": number,
        "settled_before": None,
        "way_settled": None,
        "way_judged": None,
        "way_settled_before": None,
        "open_audits": None,
        "open_reviews": None,
    }
    if fields.get("kind") == "audit":
        record |= {"route": "auto", "audit": True}
    record |= fields
    record.setdefault("raw_confidence", record["confidence"])
    record["overridden"] = record["outcome"] != record["prediction"]
    return record


def example(number: int, **fields: Any) -> dict[str, Any]:
    """A `TrainingExample` record of a first review; `confidence` is the calibrated one as well."""
    record: dict[str, Any] = {
        "example_id": f"d{number}#1",
        "decision_id": f"d{number}",
        "domain": "loan",
        "model_id": "scorer",
        "model_version": "7",
        "input": "{}",
        "attributes": {},
        "vector": [],
        "prediction": "approve",
        "confidence": 0.9,
        "final": "approve",
        "verdict": "approve",
        "reason_code": "agree",
        "reason_text": "fine",
        "modifications": "",
        "options": [],
        "propensity": 1.0,
        "kind": "review",
        "blind": False,
        "reviewer": "ana",
        "decided_at": START + number * SECOND,
        "arrived_at": None,
        "settled_before": None,
        "way_settled": None,
        "way_judged": None,
        "way_settled_before": None,
        "policy_version": "p1",
        "way": "async",
        "audit": False,
        "round": 0,
        "gold_wrong": None,
        "gold_found": None,
        "gold_right": None,
        "gold_left": None,
        "errors_found_by_both": None,
        "errors_found_by_one": None,
        "changed_by_mistake": None,
        "left_by_both": None,
    }
    if fields.get("kind") == "audit":
        record |= {"way": "audit", "audit": True}
    record |= fields
    record.setdefault("calibrated_confidence", record["confidence"])
    record["overridden"] = record["final"] != record["prediction"]
    record["weight"] = 1 / record["propensity"] if record["propensity"] else 0.0
    return record
