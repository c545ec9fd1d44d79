"""Records of the learning side with every field filled, for the tests of the sink."""

from typing import Any

from tests.sinks.review_records import DAY, START


def example(decision_id: str, **changes: Any) -> dict[str, Any]:
    """An override that a model can learn from; it stands for four decisions."""
    return {
        "example_id": f"{decision_id}#1",
        "decision_id": decision_id,
        "domain": "lending",
        "model_id": "scorer",
        "model_version": "7",
        "input": '{"term": 36}',
        "attributes": {"purpose": "car"},
        "vector": [0.5, -1.0],
        "prediction": "approve",
        "confidence": 0.9,
        "calibrated_confidence": 0.85,
        "final": "reject",
        "overridden": True,
        "verdict": "reject",
        "reason_code": "income",
        "reason_text": "too low",
        "modifications": '{"amount": 5}',
        "options": ["approve", "reject"],
        "propensity": 0.25,
        "weight": 4.0,
        "kind": "audit",
        "blind": True,
        "reviewer": "ann",
        "decided_at": START,
        "policy_version": "0123456789abcdef",
        "arrived_at": START - DAY,
        "settled_before": START,
        "way_settled": 1,
        "way_judged": 1,
        "way_settled_before": START,
        "way": "audit",
        "audit": True,
        "round": 0,
        "gold_wrong": 40,
        "gold_found": 36,
        "gold_right": 60,
        "gold_left": 59,
        "errors_found_by_both": 40,
        "errors_found_by_one": 12,
        "changed_by_mistake": 7,
        "left_by_both": 300,
        **changes,
    }


def request(model: str = "scorer", number: int = 1, **changes: Any) -> dict[str, Any]:
    """A request to train it anew, with two slices."""
    return {
        "request_id": f"{model}@7#{number}",
        "model_id": model,
        "model_version": "7",
        "domain": "lending",
        "limit": 0.15,
        "override_rate_estimate": 0.25,
        "override_rate_lower": 0.17,
        "override_rate_upper": None,
        "reviewed": 300,
        "reviewed_override_rate": 0.4,
        "slices": [
            {
                "pattern": pattern,
                "support": 40,
                "overrides": 30,
                "rate": 0.7,
                "lift": 2.8,
                "p_value": 1e-9,
                "q_value": 1e-7,
            }
            for pattern in ("purpose = car", "purpose = car AND prediction = approve")
        ],
        "first_example": "d-1#1",
        "last_example": "d-9#1",
        "reason": "train it anew",
        "at": START,
        "kind": "start",
        "changed_at": None,
        "rate_since_change": None,
        "rate_since_change_lower": None,
        "rate_since_change_upper": None,
        "reviewed_since_change": None,
        "slices_since_change": [],
        "open_since_change": None,
        "answered": [{"way": "audit", "settled": 100, "judged": 92}],
        **changes,
    }


def report(model: str = "scorer", number: int = 200, **changes: Any) -> dict[str, Any]:
    """A report with two bins, the second of them off by a fifth."""
    bins = [(120, 0.6, 0.58, 0.5, 0.66, ""), (80, 0.95, 0.75, 0.65, 0.83, "warning")]
    return {
        "report_id": f"{model}@7#{number}",
        "model_id": model,
        "model_version": "7",
        "at": START + number,
        "reviewed": number,
        "effective": 150.5,
        "bins": [
            {
                "count": count,
                "mean_confidence": mean,
                "accuracy": accuracy,
                "lower": lower,
                "upper": upper,
                "gap": mean - accuracy,
                "finding": finding,
            }
            for count, mean, accuracy, lower, upper, finding in bins
        ],
        "ece": 0.09,
        "ece_by_chance": 0.05,
        "smooth_ece": 0.08,
        "brier": 0.2,
        "log_loss_before": 0.55,
        "log_loss_after": 0.5,
        "method": "logistic",
        "intercept": -0.1,
        "slope": 0.7,
        "published": True,
        "refusal": "",
        **changes,
    }


def signal(signal_id: str, **changes: Any) -> dict[str, Any]:
    """People override too much: two certificates fall."""
    return {
        "signal_id": signal_id,
        "monitor": "overrides",
        "model_id": "scorer",
        "model_version": "7",
        "domain": "lending",
        "statistic": 21.5,
        "threshold": 20.0,
        "seen": 900,
        "message": "people override more: look at the latest cases",
        "revokes": ["threshold-1", "safe-rule-2"],
        "at": START,
        **changes,
    }


def proposal(proposal_id: str, **changes: Any) -> dict[str, Any]:
    """A threshold that somebody has accepted."""
    return {
        "proposal_id": proposal_id,
        "kind": "threshold",
        "state": "accepted",
        "domain": "lending",
        "model_id": "scorer",
        "model_version": "7",
        "title": "lending/approve: auto from 0.86",
        "change": '{"auto": 0.86}',
        "evidence": '{"labels": 1000}',
        "claim": "at most 5 % are wrong, with certainty 90 %",
        "workload_estimate": 0.2,
        "workload_lower": 0.15,
        "workload_upper": 0.25,
        "error_estimate": None,
        "error_lower": None,
        "error_upper": 0.05,
        "policy": "lending",
        "policy_version": "0123456789abcdef",
        "proposed_at": START,
        "decided_at": START + DAY,
        "decided_by": "lea",
        "reason": "",
        **changes,
    }


def schema_version(identity: str, **changes: Any) -> dict[str, Any]:
    """A schema of a registry."""
    return {
        "id": identity,
        "name": "acme.Decision",
        "version": 0,
        "schema": '"string"',
        "origin": "http://registry",
        "recorded_at": START,
        **changes,
    }
