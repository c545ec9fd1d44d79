"""Safe rules at the default audit rate, on the employment example: real scores and labels, all of them known.

People see what the lane does not let through, and audits of 5 % of the rest.
"""

from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.gates.gate import Gate, Promise
from interlock.demo import survey
from interlock.learning.arrays import Bools
from interlock.policy.vocabulary import ColumnType
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.patterns import Pattern
from interlock.processors.proposals.safe_rules import RuleTests

ALPHA, DELTA = 0.05, 0.10
AUDITS = 0.05
AUTO = 0.95
LANE = "not_employed"

# Of the policy of the example.
TYPES = {"age": ColumnType.INT, "schooling": ColumnType.INT, "disability": ColumnType.INT}
_COLUMNS = {"age": "AGEP", "schooling": "SCHL", "disability": "DIS"}

Measured = dict[str, float]


@cache
def population() -> tuple[NDArray[np.float64], Bools, list[dict[str, str]], int]:
    """Confidence, whether the model was right and attributes of every decision in the lane; of how many in all."""
    frame = pl.read_parquet(survey.SAMPLE)
    score = frame["predicted_probability"].to_numpy()
    lane = score < 0.5
    right = frame["employed"].to_numpy() == 0
    columns = {name: frame[column].to_numpy()[lane] for name, column in _COLUMNS.items()}
    attributes = [{name: str(column[row]) for name, column in columns.items()} for row in range(int(lane.sum()))]
    return 1 - score[lane], right[lane], attributes, len(frame)


def certified(runs: int) -> Measured:
    """Shares of runs that certify a rule within 20,000 decisions, and that ever certify one whose true error is above
    alpha; the median of the decisions until the first one."""
    confidence, right, attributes, decisions = population()
    every = [_example(row, confidence[row], right[row], 1.0, attributes[row]) for row in range(len(right))]
    first, false = [], 0
    for seed in range(runs):
        row, patterns = _run(seed, right)
        if row is not None:
            first.append(row / len(right) * decisions)
        false += any(
            np.mean([not example.correct for example in every if pattern.holds(example)]) > ALPHA
            for pattern in patterns
        )
    return {
        "certified": len(first) / runs,
        "false": false / runs,
        "median decisions": float(np.median(first)) if first else float("nan"),
    }


def null(runs: int) -> Measured:
    """The share of runs that certify any rule where errors depend on nothing, 8 % everywhere."""
    _, right, _, _ = population()
    wrong = 0
    for seed in range(runs):
        _, patterns = _run(seed, np.random.default_rng(1_000 + seed).random(len(right)) >= 0.08)
        wrong += bool(patterns)
    return {"false": wrong / runs}


def _run(seed: int, right: Bools) -> tuple[int | None, set[Pattern]]:
    """Decisions of the lane until the first certificate, and everything that was certified."""
    confidence, _, attributes, _ = population()
    rng = np.random.default_rng(seed)
    tests = RuleTests(ALPHA, DELTA)
    seen, first = 0, None
    patterns: set[Pattern] = set()
    for number, row in enumerate(rng.permutation(len(right)).tolist()):
        # A rule of the policy demands a person for people with a disability.
        unseen = confidence[row] >= AUTO and attributes[row]["disability"] != "1"
        propensity = AUDITS if unseen else 1.0
        if rng.random() >= propensity:
            continue
        seen += 1
        tests.add(_example(row, confidence[row], right[row], propensity, attributes[row]))
        if seen % 100 == 0:
            patterns |= {rule.pattern for rule in tests.prove(TYPES)}
            if patterns and first is None:
                first = number
    return first, patterns


def _example(row: int, confidence: float, right: bool, propensity: float, attributes: dict[str, str]) -> Example:
    return Example(
        example_id=str(row),
        domain="employment",
        model_id="acs-employment",
        model_version="1",
        prediction=LANE,
        confidence=confidence,
        raw=confidence,
        correct=bool(right),
        propensity=propensity,
        waited=propensity == 1,
        attributes=attributes,
        at=row,
        final=LANE if right else "employed",
    )


GATES = {
    "safe rules at 5 % audits": Gate(
        certified,
        50,
        (Promise("certified", at_least=0.8, before=0.0), Promise("false", at_most=DELTA)),
        quick=3,
    ),
    "safe rules where none is": Gate(null, 50, (Promise("false", at_most=DELTA),), quick=5),
}
