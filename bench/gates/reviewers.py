"""Simulations that test what certificates promise where people miss errors, or change right answers.

The population is the employment example: real scores and labels. A lane "not employed" at 0.95 with audits at 5 %; the
rest waits for people. Gold items show wrong and right answers from the same population, before the reviews.
"""

from dataclasses import dataclass

import numpy as np

from bench.gates.certification import population
from bench.gates.gate import Gate, Promise
from interlock.demo import survey
from interlock.learning.arrays import Bools, Floats
from interlock.learning.reviewer_errors import RISK_SHARE, GoldItems, Visible, visible
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.thresholds import ThresholdEvidence

ALPHA, DELTA = 0.05, 0.10


@dataclass(frozen=True)
class People:
    """Shares of errors that are found and of right answers that are changed; gold items of either kind."""

    found: float
    changed: float = 0.0
    gold_wrong: int = 200
    gold_right: int = 400


@dataclass(frozen=True)
class Certified:
    """Over runs: how often something was certified, and how often more than the promise is wrong in truth."""

    certified: float
    violated: float
    worst: float


def certificates(
    runs: int,
    people: People,
    *,
    decisions: int = 30_000,
    rate: float = 0.05,
    typical: bool = False,
    corrected: bool = True,
) -> Certified:
    """Thresholds of one lane, looked at every 100 examples; the truth is that of all records."""
    raw, correct = _lane()
    errors = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        items = GoldItems(
            people.gold_wrong,
            int(rng.binomial(people.gold_wrong, people.found)),
            people.gold_right,
            int(rng.binomial(people.gold_right, 1 - people.changed)),
        )
        seen = visible(ALPHA, items, RISK_SHARE * DELTA, typical=typical) if corrected else None
        threshold = _threshold(rng, raw, correct, people, seen, decisions, rate, typical=typical)
        if threshold is not None:
            errors.append(float((~correct[raw >= threshold]).mean()))
    found = np.array(errors)
    return Certified(len(found) / runs, float((found > ALPHA).sum() / runs), float(found.max()) if len(found) else 0.0)


def _threshold(
    rng: np.random.Generator,
    raw: Floats,
    correct: Bools,
    people: People,
    seen: Visible | None,
    decisions: int,
    rate: float,
    *,
    typical: bool,
) -> float | None:
    """The last one that was certified at a look."""
    rows = rng.integers(len(raw), size=decisions)
    pi = np.where(raw[rows] >= 0.95, rate, 1.0)
    reviewed = rng.random(decisions) < pi
    rows, pi = rows[reviewed], pi[reviewed]
    chance = rng.random(len(rows))
    confirmed = np.where(correct[rows], chance >= people.changed, chance >= people.found)
    evidence = ThresholdEvidence(ALPHA, DELTA, typical=typical)
    certified = None
    for number, (row, propensity, right) in enumerate(zip(rows, pi, confirmed, strict=True)):
        evidence.add(_example(number, float(raw[row]), float(propensity), right=bool(right)))
        if number % 100 == 99 and (proof := evidence.proof(seen)) is not None:
            certified = proof.threshold
    return certified


def _example(number: int, confidence: float, propensity: float, *, right: bool) -> Example:
    return Example(
        example_id=str(number),
        domain="employment",
        model_id=survey.MODEL,
        model_version="1",
        prediction="not_employed",
        confidence=confidence,
        raw=confidence,
        correct=right,
        propensity=propensity,
        waited=propensity == 1,
        attributes={},
        at=number,
        final="",
        gold=None,
    )


def _lane() -> tuple[Floats, Bools]:
    import polars as pl

    raw, correct, _ = population()
    score = pl.read_parquet(survey.SAMPLE)["predicted_probability"].to_numpy()
    return raw[score < 0.5], correct[score < 0.5]


def missing(runs: int) -> dict[str, Certified]:
    """People who miss much: with and without their record."""
    return {
        "miss 30 %": certificates(runs, People(0.7)),
        "miss 50 %": certificates(runs, People(0.5)),
        "miss 50 %, taken as the truth": certificates(runs, People(0.5), corrected=False),
        "miss 10 %": certificates(runs, People(0.9)),
    }


def changing(runs: int) -> dict[str, Certified]:
    """People who change one right answer in twenty."""
    people = People(0.95, changed=0.05, gold_right=2_000)
    return {
        "change 5 %": certificates(runs, people),
        "change 5 %, typical items, all reviewed": certificates(runs, people, typical=True, rate=1.0),
        "change 5 %, typical items": certificates(runs, people, typical=True),
    }


GATES = {
    "reviewers who miss errors": Gate(
        missing,
        40,
        (
            Promise("miss 30 % violated", at_most=DELTA, before=1.0),
            Promise("miss 50 % violated", at_most=DELTA, before=1.0),
            Promise("miss 10 % violated", at_most=DELTA),
        ),
        quick=2,
    ),
    "reviewers who change right answers": Gate(
        changing,
        40,
        (
            Promise("change 5 % violated", at_most=DELTA),
            Promise("change 5 %, typical items violated", at_most=DELTA),
            Promise("change 5 %, typical items, all reviewed violated", at_most=DELTA),
            Promise("change 5 %, typical items, all reviewed certified", at_least=0.9, before=0.0),
        ),
        quick=2,
    ),
}
