"""The promises of learning on further real data, under the default policy and with nothing set for any of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from bench.proofs.employment import ALPHA, DELTA, START, audit_key
from bench.proofs.further_data import SOURCES, Scored, Source, scored
from bench.proofs.pipeline import LearningSettings, Pipeline, Record, people
from interlock.learning.arrays import Bools, Floats
from interlock.learning.estimates import aipw, hajek, horvitz_thompson, naive
from interlock.policy.load import parse
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.thresholds import ThresholdEvidence
from interlock.processors.router import audit_sampling as coin

# Thresholds and audits are the defaults.
POLICY = """\
name: further
domains:
  further:
    workflow: escalation
    models: [regression]
    outcomes: ["yes", "no"]
    lanes: {"yes": {}, "no": {}}
    queue: further
"""

# Examples between two looks at the evidence. It is a running maximum: who looks less often misses no certificate.
_EVERY = 500

# Decisions of one stream: far more than a lane needs where people see everything, and about as many as at 5 % audits.
_SHADOW, _AUDITED = 3_000, 10_000


def run(
    keys: int = 200, streams: int = 50, advance: Callable[[str], None] = lambda _: None
) -> dict[str, dict[str, Any]]:
    """By data set: coverage of estimates over `keys` audit keys, broken certificates over `streams` streams."""
    figures = {}
    for source in SOURCES:
        decisions = scored(source)
        figures[source.name] = {
            "question": source.question,
            "licence": source.licence,
            "decisions": len(decisions.wrong),
            "error": float(decisions.wrong.mean()),
            **coverage(source, keys),
            "shadow": certified(decisions, streams, audited=False),
            "audits": certified(decisions, streams, audited=True),
        }
        advance(source.name)
    return figures


def flat(figures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """One row by data set, as docs/learning.md has it."""
    return [
        {
            "data": name,
            "decisions": each["decisions"],
            "wrong": f"{each['error']:.1%}",
            "automatic": f"{each['automatic']:.0%}",
            **{method: f"{share:.1%}" for method, share in each["covered"].items()},
            "upper end below": f"{each['upper_end_below_the_truth']:.1%}",
            **{
                f"broken, {design}": f"{each[design]['broken']} of {each[design]['certified']}"
                for design in ("shadow", "audits")
            },
            "licence": each["licence"],
        }
        for name, each in figures.items()
    ]


def coverage(source: Source, keys: int) -> dict[str, Any]:
    """Share of audit keys under which each 95 % interval of the share of wrong decisions holds the truth."""
    decisions = scored(source)
    rows = list(_records(source.name, decisions))
    pipeline = Pipeline(POLICY, lambda _: None, people(1), LearningSettings(), seed=1, start=START)
    pipeline.route(rows)
    routed = [pipeline.routed[row["decision_id"]] for row in rows]
    waits = np.array([decision["route"] != "auto" for decision in routed])
    propensity = np.array([decision["propensity"] for decision in routed])
    wrong, ids = decisions.wrong.astype(np.float64), pa.array([row["decision_id"] for row in rows])
    rate = parse(POLICY, "further").audit.rate
    held: dict[str, list[bool]] = {}
    below = 0
    for number in range(keys):
        reviewed = waits | coin.flip(ids, audit_key(number), rate)
        for estimate in (
            naive(wrong, reviewed),
            horvitz_thompson(wrong, reviewed, propensity),
            hajek(wrong, reviewed, propensity),
            aipw(wrong, reviewed, propensity, 1 - decisions.confidence),
        ):
            held.setdefault(estimate.method, []).append(bool(estimate.low <= wrong.mean() <= estimate.high))
            below += estimate.method != "naive" and estimate.high < wrong.mean()
    return {
        "automatic": float(1 - waits.mean()),
        "covered": {method: float(np.mean(each)) for method, each in held.items()},
        "upper_end_below_the_truth": below / keys / 3,
    }


def certified(decisions: Scored, streams: int, *, audited: bool) -> dict[str, Any]:
    """Streams in which a threshold was ever certified, and those in which one ever was that accepts more than 5 % of
    wrong decisions. `audited`: confident decisions are audited at the policy's rate; else people see everything."""
    policy = parse(POLICY, "further")
    propensity = np.ones(len(decisions.wrong))
    length = _AUDITED if audited else _SHADOW
    if audited:
        propensity[decisions.confidence >= policy.defaults.auto] = policy.audit.rate
    ever = broken = 0
    worst = 0.0
    for seed in range(streams):
        errors = _errors_of_certified(decisions, propensity, length, seed)
        ever += bool(errors)
        broken += any(error > ALPHA for error in errors)
        worst = max(worst, *errors, 0.0)
    return {"streams": streams, "certified": ever, "broken": broken, "worst_error": worst}


def _errors_of_certified(decisions: Scored, propensity: Floats, length: int, seed: int) -> list[float]:
    """The true error of every threshold that one stream certifies at any time, in either lane."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(decisions.wrong), length)
    seen = rows[rng.random(length) < propensity[rows]]
    errors = []
    for yes in (True, False):
        lane: Bools = decisions.says_yes == yes
        evidence = ThresholdEvidence(ALPHA, DELTA)
        thresholds = set()
        for number, row in enumerate(seen[lane[seen]], 1):
            evidence.add(_example(decisions, int(row), number, float(propensity[row])))
            proof = evidence.proof() if number % _EVERY == 0 else None
            if proof is not None:
                thresholds.add(proof.threshold)
        errors += [float(decisions.wrong[lane & (decisions.confidence >= each)].mean()) for each in thresholds]
    return errors


def _example(decisions: Scored, row: int, number: int, propensity: float) -> Example:
    confidence, said = float(decisions.confidence[row]), bool(decisions.says_yes[row])
    right = not decisions.wrong[row]
    return Example(
        example_id=str(number),
        domain="further",
        model_id="regression",
        model_version="1",
        prediction=_word(said),
        confidence=confidence,
        raw=confidence,
        correct=right,
        propensity=propensity,
        waited=propensity == 1,
        attributes={},
        at=number,
        final=_word(said == right),
    )


def _records(name: str, decisions: Scored) -> list[Record]:
    """The decisions as records, in their order."""
    return [
        {
            "decision_id": f"{name}-{number:06d}",
            "domain": "further",
            "model_id": "regression",
            "model_version": "1",
            "prediction": _word(said),
            "confidence": confidence,
            "created_at": START,
            "subject_id": f"{name}-{number}",
            "input": "{}",
        }
        for number, (said, confidence) in enumerate(
            zip(decisions.says_yes.tolist(), decisions.confidence.tolist(), strict=True)
        )
    ]


def _word(yes: bool) -> str:
    return "yes" if yes else "no"
