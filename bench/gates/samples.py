"""What learning makes of errors that somebody overrides before their audit, and of post_approval, where people look at
what they like."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.processors.feedback import examples
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.outcomes import is_sample
from interlock.processors.proposals.examples import example
from interlock.processors.proposals.thresholds import ThresholdEvidence
from interlock.schemas import catalogue, wire

# A certificate promises at most 5 % errors, and is false with a risk of 10 % at most.
ALPHA, DELTA = 0.05, 0.1

AUDIT_RATE = 0.05

_OVERRIDDEN_FIRST = {"none overridden first": 0.0, "half overridden first": 0.5, "three quarters": 0.75}

_SECOND = 1_000_000


def outcome(number: int, kind: str, *, wrong: bool, audit: bool, workflow: str, confidence: float) -> dict[str, Any]:
    """The `Outcome` record of the first verdict on a decision that took effect, a second after it came."""
    return {
        "outcome_id": f"d{number}#1",
        "task_id": f"d{number}",
        "decision_id": f"d{number}",
        "kind": kind,
        "audit": audit,
        "workflow": workflow,
        "route": "auto",
        "round": 0,
        "resolves": kind != "audit" or wrong,
        "propensity": AUDIT_RATE,
        "raw_confidence": confidence,
        "confidence": confidence,
        "model_id": "m",
        "model_version": "1",
        "domain": "x",
        "prediction": "approve",
        "outcome": "reject" if wrong else "approve",
        "overridden": wrong,
        "verdict": "reject" if wrong else "approve",
        "reason_code": "r",
        "reason_text": "because",
        "modifications": "",
        "options": [],
        "blind": kind == "audit",
        "reviewer": "ann",
        "policy_version": "p",
        "arrived_at": number * _SECOND,
        "settled_before": (number + 1) * _SECOND,
        "way_settled_before": None,
        "open_audits": None,
        "open_reviews": None,
        "way_settled": None,
        "way_judged": None,
        "at": (number + 1) * _SECOND,
        "gold_outcome": "",
    }


def certified(runs: int, decisions: int = 40_000, truth: float = 0.08) -> dict[str, float]:
    """Share of runs in which some threshold is certified although the model errs in 8 % everywhere, by the share of its
    errors that somebody overrides before the audit; and the error rate that the evidence sees with three quarters."""
    found = {name: 0 for name in _OVERRIDDEN_FIRST}
    seen: list[bool] = []
    for name, share in _OVERRIDDEN_FIRST.items():
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            evidence = ThresholdEvidence(ALPHA, DELTA)
            for number in np.flatnonzero(rng.random(decisions) < AUDIT_RATE).tolist():
                wrong = bool(rng.random() < truth)
                kind = "override" if wrong and rng.random() < share else "audit"
                confidence = 0.96 + 0.03 * float(rng.random())
                judged = outcome(number, kind, wrong=wrong, audit=True, workflow="escalation", confidence=confidence)
                written = wire.encode("TrainingExample", examples.example(judged, None))
                label = example(wire.decode_plain("TrainingExample", written))
                if label is not None:
                    evidence.add(label)
                    seen += [not label.correct] * (name == "three quarters")
            found[name] += evidence.proof() is not None
    return {name: count / runs for name, count in found.items()} | {
        "error rate that certificates see": float(np.mean(seen))
    }


def requested(runs: int, decisions: int = 5_000, truth: float = 0.03) -> dict[str, float]:
    """post_approval, 3 % wrong: all errors are overridden, one in ten of the rest is looked at and confirmed, and
    audits are done. Share of runs with a request for retraining, and the error rate that feedback sees."""
    requests, seen = 0, []
    for seed in range(runs):
        feedback = Feedback()
        events = [
            event for judged in _post_approval(seed, decisions, truth) for event in feedback.process(judged, None)
        ]
        requests += any(event.topic is catalogue.RETRAINING_REQUESTS for event in events)
        seen += [
            event.record["overridden"]
            for event in events
            if event.topic is catalogue.TRAINING_EXAMPLES and event.record is not None and is_sample(event.record)
        ]
    return {"retraining requested": requests / runs, "error rate that feedback sees": float(np.mean(seen))}


def _post_approval(seed: int, decisions: int, truth: float) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    for number in range(decisions):
        wrong, audit, looks = rng.random() < truth, rng.random() < AUDIT_RATE, rng.random() < 0.1
        kind = "override" if wrong else "audit" if audit else "post_approval" if looks else ""
        if kind:
            yield outcome(number, kind, wrong=bool(wrong), audit=bool(audit), workflow="post_approval", confidence=0.95)


GATES = {
    "certificates where errors are overridden before their audit, 8 % wrong": Gate(
        certified,
        100,
        (
            *(
                Promise(name, at_most=DELTA, before=before)
                for name, before in zip(_OVERRIDDEN_FIRST, (0.0, 0.5, 1.0), strict=True)
            ),
            Promise("error rate that certificates see", at_least=0.075, at_most=0.085, before=0.02),
        ),
        quick=2,
    ),
    "post_approval, 3 % wrong, all of it overridden": Gate(
        requested,
        40,
        (
            Promise("retraining requested", at_most=0.0, before=1.0),
            Promise("error rate that feedback sees", at_least=0.025, at_most=0.035, before=0.269),
        ),
        quick=2,
    ),
}
