"""Certificates for each group of an attribute: whether one that hides a group is ever given, and what they cost.

Groups of an invented world, of which one errs slightly more often than promised; and the employment example by age, of
which every record is known.
"""

from functools import cache

import numpy as np
import polars as pl

from bench.gates.gate import Gate, Promise
from interlock.demo import survey
from interlock.learning.arrays import Bools, Floats
from interlock.processors.proposals.by_group import Grouping
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.thresholds import ThresholdEvidence

ALPHA, DELTA = 0.05, 0.10

# Shares of the decisions and of errors, by group: over all 2.7 % is wrong.
_SHARES = (0.5, 0.3, 0.15, 0.05)
_ERRORS = (0.02, 0.03, 0.03, 0.051)

_LOOK = 500

AGE = Grouping("age", (18, 25, 35, 45, 55, 65, 75))


def invented(runs: int, reviews: int = 6_000) -> dict[str, float]:
    """Shares of runs that ever certify a threshold, which is false for one group: by groups, and over all."""
    by = Grouping("group", ())
    ever = {"false by groups": 0, "false over all": 0}
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        groups = rng.choice(len(_SHARES), size=reviews, p=_SHARES)
        right = rng.random(reviews) >= np.array(_ERRORS)[groups]
        stream = [
            _example(number, float(confidence), bool(correct), {"group": str(group)})
            for number, (confidence, correct, group) in enumerate(zip(rng.random(reviews), right, groups, strict=True))
        ]
        for name, one in (("false by groups", by), ("false over all", None)):
            ever[name] += bool(thresholds(stream, one))
    return {name: count / runs for name, count in ever.items()}


def thresholds(stream: list[Example], by: Grouping | None) -> list[float]:
    """Every threshold that is certified at some look, the last one last."""
    evidence = ThresholdEvidence(ALPHA, DELTA)
    found = []
    for number, example in enumerate(stream, 1):
        evidence.add(example)
        if number % _LOOK == 0:
            evidence.certify_by(by, stream[:number])
            if (proof := evidence.proof()) is not None:
                found.append(proof.threshold)
    return found


@cache
def population() -> tuple[Floats, Bools, list[str]]:
    """Of the lane "not employed": confidence, whether the model is right, and age."""
    frame = pl.read_parquet(survey.SAMPLE)
    score = frame["predicted_probability"].to_numpy()
    lane = score < 0.5
    ages = [str(age) for age in frame["AGEP"].to_numpy()[lane]]
    return 1 - score[lane], frame["employed"].to_numpy()[lane] == 0, ages


def employment_stream(seed: int, reviews: int = 20_000) -> list[Example]:
    """Reviewed decisions of the lane."""
    confidence, right, ages = population()
    rows = np.random.default_rng(seed).integers(0, len(right), reviews)
    return [
        _example(number, float(confidence[row]), bool(right[row]), {"age": ages[row]})
        for number, row in enumerate(rows.tolist())
    ]


def worst_group(threshold: float) -> float:
    """The highest true error of a group of ages, of what a threshold releases."""
    confidence, right, ages = population()
    inside = np.flatnonzero(confidence >= threshold)
    groups: dict[str, list[bool]] = {}
    for row in inside.tolist():
        groups.setdefault(AGE.of(_example(row, 0.0, True, {"age": ages[row]})), []).append(not right[row])
    return float(max(np.mean(wrong) for wrong in groups.values()))


def employment(runs: int) -> dict[str, float]:
    """Of runs in which everything is reviewed: how often the certified threshold hides an age group that errs more
    often than promised, the mean error of the worst group, and the mean share that is released."""
    confidence, _, _ = population()
    figures: dict[str, float] = {}
    for name, by in (("by age", AGE), ("over all", None)):
        worst, released = [], []
        for seed in range(runs):
            found = thresholds(employment_stream(seed), by)
            worst += [worst_group(found[-1])] * bool(found)
            released.append(float((confidence >= found[-1]).mean()) if found else 0.0)
        figures[f"{name}: a group hidden"] = sum(error > ALPHA for error in worst) / runs
        figures[f"{name}: error of the worst group"] = float(np.mean(worst)) if worst else float("nan")
        figures[f"{name}: released"] = float(np.mean(released))
    return figures


def _example(number: int, confidence: float, right: bool, attributes: dict[str, str]) -> Example:
    return Example(
        example_id=str(number),
        domain="employment",
        model_id=survey.MODEL,
        model_version="1",
        prediction="not_employed",
        confidence=confidence,
        raw=confidence,
        correct=right,
        propensity=1.0,
        waited=True,
        attributes=attributes,
        at=number,
        final="not_employed" if right else "employed",
    )


GATES = {
    "certificates by group where one group errs too often": Gate(
        invented, 100, (Promise("false by groups", at_most=DELTA, before=0.82),), quick=2
    ),
    "certificates by age, employment": Gate(
        employment, 8, (Promise("by age: a group hidden", at_most=DELTA, before=1.0),), quick=1
    ),
}
