"""Simulations that test what `learning` promises about thresholds and slices.

Each takes the number of `runs` and returns what was measured; tests run a few, `python -m bench gates`
many. The population is the employment example: real scores and real labels, all of them known.
"""

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.gates.gate import Gate, Promise
from interlock.demo import survey
from interlock.learning.arrays import Bools, Floats
from interlock.learning.certification import (
    add,
    binomial_p,
    certify,
    first_thresholds,
    no_evidence,
    selective_guarantee,
)
from interlock.learning.slices import Correction, Features, Slice, binned, find

Measured = dict[str, float]

# Thresholds of the published benchmarks, strict → lax: for a fixed sample, and for a stream, where they end well below
# the lowest true one (.86).
FINE = np.arange(198, 99, -1) / 200
HUNDREDTHS = np.arange(99, 79, -1) / 100

# Where a slice of overrides is planted.
PLANTED = {("f1", "2"), ("f4", "0")}


def population() -> tuple[Floats, Bools, Features]:
    """Confidence, whether the model was right, and categories of 20,000 records."""
    frame = pl.read_parquet(survey.SAMPLE)
    score = frame["predicted_probability"].to_numpy()
    correct = (score >= 0.5) == (frame["employed"].to_numpy() == 1)
    features = {name: frame[name].to_numpy() for name in ("SCHL", "MAR", "DIS", "CIT", "SEX", "RAC1P")}
    features["AGEP"] = binned(frame["AGEP"].to_numpy().astype(np.float64), 8)
    return np.maximum(score, 1 - score), correct, features


def allowed(delta: float, runs: int) -> float:
    """The share of violations that a procedure with probability delta may show: two standard errors above."""
    return delta + 2 * math.sqrt(delta * (1 - delta) / runs)


def thresholds(
    runs: int,
    labels: int = 1000,
    alpha: float = 0.05,
    delta: float = 0.1,
    grid: Floats | None = None,
    seed: int = 1,
) -> Measured:
    """Violations (true error above alpha) and mean coverage of four ways to choose a threshold from few labels.

    `grid`: thresholds tried, strict → lax; None: what `first_thresholds` proposes.
    """
    confidence, correct, _ = population()
    rng = np.random.default_rng(seed)
    if grid is None:
        grid = first_thresholds(confidence, labels, alpha, delta)
    violations = dict.fromkeys(("naive", "bonferroni", "sgr", "fixed"), 0)
    coverage = dict.fromkeys(violations, 0.0)
    for _ in range(runs):
        rows = rng.integers(0, len(correct), labels)
        c, y = confidence[rows], correct[rows]
        cases, errors = (_above(grid, confidences) for confidences in (c, c[~y]))
        certified: dict[str, float | None] = {
            "naive": _laxest(grid[(errors <= alpha * cases) & (cases > 0)]),
            "bonferroni": _laxest(grid[binomial_p(errors, cases, alpha) <= delta / len(grid)]),
            "sgr": selective_guarantee(c, y, alpha=alpha, delta=delta),
            "fixed": certify(c, y, grid, alpha=alpha, delta=delta).threshold,
        }
        for name, threshold in certified.items():
            if threshold is None:
                continue
            above = confidence >= threshold
            coverage[name] += above.mean() / runs
            violations[name] += (~correct[above]).mean() > alpha
    shares = {f"{name} violations": count / runs for name, count in violations.items()}
    return shares | {f"{name} coverage": share for name, share in coverage.items()}


def _laxest(thresholds: Floats) -> float | None:
    return float(thresholds.min()) if len(thresholds) else None


def _above(thresholds: Floats, confidence: Floats) -> NDArray[np.int64]:
    """How many confidences each threshold accepts."""
    return len(confidence) - np.searchsorted(np.sort(confidence), thresholds).astype(np.int64)


def streaming(
    runs: int, decisions: int = 20_000, audit: float = 0.1, alpha: float = 0.05, delta: float = 0.1, seed: int = 2
) -> Measured:
    """Share of runs that *ever* certify a threshold with a true error above alpha, and coverage on the way.

    People see everything that no certificate covers, and audits of what one covers.
    """
    confidence, correct, _ = population()
    rng = np.random.default_rng(seed)
    error = np.array([(~correct[confidence >= threshold]).mean() for threshold in HUNDREDTHS])
    share = {float(threshold): float((confidence >= threshold).mean()) for threshold in HUNDREDTHS}
    looks = (1000, 5000, decisions)
    measured = {f"coverage at {at}": 0.0 for at in looks} | {"violations": 0.0}
    for _ in range(runs):
        evidence = no_evidence(HUNDREDTHS, alpha=alpha, delta=delta)
        while evidence.decisions < decisions:
            # Looks are frequent while certificates are frequent.
            count = 50 if evidence.decisions < looks[0] else 500 if evidence.decisions < looks[1] else 1000
            rows = rng.integers(0, len(correct), count)
            certified = evidence.certified
            covered = confidence[rows] >= (math.inf if certified is None else certified)
            propensity = np.where(covered, audit, 1.0)
            reviewed = rng.random(count) < propensity
            lowest = 1.0 if certified is None else audit
            evidence = add(evidence, confidence[rows], correct[rows], reviewed, propensity, lowest)
            if evidence.decisions in looks and evidence.certified is not None:
                measured[f"coverage at {evidence.decisions}"] += share[evidence.certified] / runs
        certified = evidence.certified
        if certified is not None:
            measured["violations"] += (error[certified <= HUNDREDTHS] > alpha).any() / runs
    return measured


def noise(seed: int, planted: bool, rows: int = 2000) -> tuple[Features, Bools]:
    """Eight features of four values; 8 % overrides, 35 % in the planted slice."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (rows, 8))
    inside = (values[:, 1] == 2) & (values[:, 4] == 0) if planted else np.zeros(rows, dtype=np.bool_)
    return _named(values), rng.random(rows) < np.where(inside, 0.35, 0.08)


def routed(seed: int, rows: int = 20_000) -> tuple[Features, Bools, Floats]:
    """Reviewed decisions whose routing misleads: f0 = 0 is always reviewed, others when the model is unsure or audited
    (10 %). Overrides depend on the model's doubt alone, which no feature shows."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (rows, 8))
    doubt = rng.random(rows) < 0.1
    overridden = rng.random(rows) < np.where(doubt, 0.4, 0.04)
    propensity = np.where(doubt | (values[:, 0] == 0), 1.0, 0.1)
    seen = rng.random(rows) < propensity
    return _named(values[seen]), overridden[seen], propensity[seen]


def slices(runs: int) -> Measured:
    """Shares of seeds: planted slice found, found first, something unrelated flagged with it; false alarms on noise,
    by naive counting, by correction, and under misleading routing with and without weights."""
    names = ("found", "first", "unrelated bh", "unrelated by", "null bh", "null by", "routed", "routed unweighted")
    measured = dict.fromkeys(names, 0.0)
    for seed in range(runs):
        features, overridden = noise(seed, planted=True)
        ones = np.ones(len(overridden))
        flagged = find(features, overridden, ones)
        measured["found"] += any(set(group.conditions) == PLANTED for group in flagged)
        measured["first"] += bool(flagged) and set(flagged[0].conditions) == PLANTED
        measured["unrelated bh"] += any(map(_unrelated, flagged))
        measured["unrelated by"] += any(map(_unrelated, find(features, overridden, ones, correction="by")))
        features, overridden = noise(1000 + seed, planted=False)
        corrections: tuple[Correction, ...] = ("bh", "by")
        for correction in corrections:
            measured[f"null {correction}"] += bool(find(features, overridden, ones, correction=correction))
        features, overridden, propensity = routed(seed)
        measured["routed"] += bool(find(features, overridden, propensity))
        measured["routed unweighted"] += bool(find(features, overridden, np.ones(len(overridden))))
    return {name: count / runs for name, count in measured.items()}


def _unrelated(group: Slice) -> bool:
    return not PLANTED & set(group.conditions)


def _named(values: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Features:
    return {f"f{index}": column for index, column in enumerate(values.T)}


_HELD = (Promise("fixed violations", at_most=0.10),)

GATES = {
    "thresholds, 1,000 labels": Gate(thresholds, 1000, _HELD),
    "thresholds, 3,000 labels": Gate(lambda runs: thresholds(runs, labels=3000), 1000, _HELD),
    "thresholds, 1,000 labels, fine grid": Gate(lambda runs: thresholds(runs, grid=FINE), 1000, _HELD),
    "thresholds, 3,000 labels, fine grid": Gate(lambda runs: thresholds(runs, labels=3000, grid=FINE), 1000, _HELD),
    "streaming": Gate(streaming, 100, (Promise("violations", at_most=0.10),)),
    "slices": Gate(
        slices,
        100,
        (Promise("found", at_least=0.95), Promise("null bh", at_most=0.05), Promise("routed", at_most=0.05)),
    ),
}
