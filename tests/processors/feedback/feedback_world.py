"""Outcomes as the desk writes them, for the tests of learning from them."""

from typing import Any

import numpy as np

START = 1_767_225_600_000_000


def outcome(number: int, *, overridden: bool = False, **fields: Any) -> dict[str, Any]:
    """Verdict on decision `d<number>`; every field can be given."""
    decision = f"d{number:06d}"
    at = START + number * 1_000_000
    record: dict[str, Any] = {
        "outcome_id": f"{decision}#1",
        "task_id": decision,
        "decision_id": decision,
        "kind": "review",
        "reviewer": "ann",
        "verdict": "reject" if overridden else "approve",
        "outcome": "reject" if overridden else "approve",
        "prediction": "approve",
        "overridden": overridden,
        "resolves": True,
        "gold_outcome": "",
        "seeded": False,
        "reason_code": "income",
        "reason_text": "as it looks",
        "modifications": "",
        "options": [],
        "at": at,
        "arrived_at": at - 60_000_000,
        "claimed_at": at - 30_000_000,
        "deadline": at + 60_000_000,
        "within_sla": True,
        "queue": "underwriting",
        "priority": "medium",
        "route": "async",
        "workflow": "escalation",
        "domain": "loan",
        "model_id": "credit",
        "model_version": "1",
        "confidence": 0.7,
        "raw_confidence": 0.8,
        "propensity": 1.0,
        "audit": False,
        "blind": False,
        "round": 0,
        "policy_version": "v",
        "payload_hash": "0" * 32,
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
    return record | fields


def payload(**attributes: str) -> dict[str, Any]:
    """As much of a routed decision as learning reads."""
    return {"decision": {"input": '{"income": 10}', "attributes": attributes, "vector": [1.0, 2.0]}}


def stream(count: int, rate: float, seed: int, audit: float = 0.05) -> list[dict[str, Any]]:
    """Outcomes of a model whose every decision is overridden with probability `rate`; half are audited at `audit`."""
    rng = np.random.default_rng(seed)
    audited = rng.random(count) < 0.5
    return [
        outcome(number, overridden=bool(rng.random() < rate), propensity=audit if audited[number] else 1.0)
        for number in range(count)
    ]
