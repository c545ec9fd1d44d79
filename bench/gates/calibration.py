"""Simulations that the statistics of `learning/` must pass: each takes `runs` and a seed and returns its figures.

Tests run them briefly; long runs give figures to publish. The decisions are real: examples/employment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression

from bench.gates.gate import Gate, Promise
from interlock.demo import survey
from interlock.learning import betting, bounds
from interlock.learning.arrays import Bools, Floats
from interlock.learning.calibration import IDENTITY, LogOdds, fit, log_loss, log_odds, recalibrate
from interlock.learning.estimates import Estimate, Target, aipw, hajek, horvitz_thompson, naive
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.online_platt import OnlinePlatt
from interlock.learning.retraining import LIMIT, assess_override_rate
from interlock.learning.venn_abers import isotonic, venn_abers


@dataclass(frozen=True)
class Coverage:
    """One estimator over all runs: mean error, standard deviation, share of 95 % intervals that hold the truth."""

    bias: float
    sd: float
    coverage: float


def employment() -> tuple[Floats, Floats, Floats]:
    """Score, label, and the confidence of the prediction score ≥ ½, of 20,000 real people."""
    frame = pl.read_parquet(survey.SAMPLE, columns=["predicted_probability", "employed"])
    score = frame["predicted_probability"].to_numpy()
    return score, frame["employed"].to_numpy().astype(np.float64), np.maximum(score, 1 - score)


def estimator_coverage(
    runs: int, decisions: int = 10_000, target: Target = Target.THESE, seed: int = 1
) -> dict[str, Coverage]:
    """Confident decisions audited at 5 %, middling ones reviewed at 25 %, doubtful ones always.

    THESE: the same decisions in every run with other coins. PROCESS: other decisions too.
    """
    score, label, confidence = employment()
    wrong = ((score >= 0.5) != label).astype(np.float64)
    propensity = np.where(confidence >= 0.95, 0.05, np.where(confidence >= 0.8, 0.25, 1.0))
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(score), decisions, replace=False)
    truth = wrong[rows].mean() if target is Target.THESE else wrong.mean()
    by_method: dict[str, list[Estimate]] = {}
    for _ in range(runs):
        if target is Target.PROCESS:
            rows = rng.integers(0, len(score), decisions)
        y, pi = wrong[rows], propensity[rows]
        r = rng.random(decisions) < pi
        for estimate in (
            naive(y, r),
            horvitz_thompson(y, r, pi, target),
            hajek(y, r, pi, target),
            aipw(y, r, pi, 1 - confidence[rows], target),
        ):
            by_method.setdefault(estimate.method, []).append(estimate)
    return {method: _coverage(estimates, float(truth)) for method, estimates in by_method.items()}


def rare_override_coverage(
    runs: int, decisions: int = 4000, rate: float = 0.005, target: Target = Target.THESE, seed: int = 2
) -> Coverage:
    """Horvitz–Thompson where a 5 % audit finds one override or none."""
    rng = np.random.default_rng(seed)
    pi = np.full(decisions, 0.05)
    y = (np.arange(decisions) < rate * decisions).astype(np.float64)
    estimates = []
    for _ in range(runs):
        if target is Target.PROCESS:
            y = (rng.random(decisions) < rate).astype(np.float64)
        # At this size a run without any review cannot happen.
        estimates.append(horvitz_thompson(y, rng.random(decisions) < pi, pi, target))
    return _coverage(estimates, rate)


def ever_miscovered(runs: int, items: int = 2000, rate: float = 0.15, seed: int = 3) -> tuple[float, float]:
    """Share of runs in which the 95 % interval missed the rate at any of `items` looks: `anytime`, Clopper–Pearson."""
    rng = np.random.default_rng(seed)
    trials = np.arange(1.0, items + 1)
    missed = np.zeros((2, runs))
    for run in range(runs):
        successes = np.cumsum(rng.random(items) < rate).astype(np.float64)
        missed[0, run] = (bounds.evidence(successes, trials, rate) >= np.log(20)).any()
        below, above = binom.cdf(successes, trials, rate), binom.sf(successes - 1, trials, rate)
        missed[1, run] = ((below < 0.025) | (above < 0.025)).any()
    anytime, peeked = missed.mean(axis=1)
    return float(anytime), float(peeked)


def betting_miscovered(runs: int, items: int = 2000, rate: float = 0.15, seed: int = 4) -> float:
    """Share of runs in which the weighted betting interval missed the rate of all decisions at any look."""
    rng = np.random.default_rng(seed)
    missed = 0
    for _ in range(runs):
        overridden, propensity = reviewed_stream(rng, items, rate)
        try:
            low, high = betting.interval(overridden, 0.05 / propensity)
        except InsufficientDataError:
            missed += 1
        else:
            missed += not low <= rate <= high
    return missed / runs


def retraining_requests(runs: int, rate: float, items: int = 3000, seed: int = 5) -> tuple[float, float, float | None]:
    """Share of runs that request retraining at any look, the share by the raw rate over the last 100 reviewed,
    checked every 100, and the median number of reviewed outcomes until the first request (None: fewer than half)."""
    rng = np.random.default_rng(seed)
    after, raw = [], 0
    for _ in range(runs):
        overridden, propensity = reviewed_stream(rng, items, rate)
        after.append(assess_override_rate(overridden, propensity, 0.05).after or np.inf)
        raw += bool((overridden.reshape(-1, 100).mean(axis=1) > LIMIT).any())
    median = float(np.median(after))
    return float(np.isfinite(after).mean()), raw / runs, median if np.isfinite(median) else None


def reviewed_stream(rng: np.random.Generator, items: int, rate: float) -> tuple[Floats, Floats]:
    """Overrides and propensities of reviewed decisions: 40 % of all are always reviewed and overridden at 1.75 times
    the rate, the others audited at 5 % and overridden at half of it."""
    audited = rng.random(items) < 0.6 * 0.05 / (0.4 + 0.6 * 0.05)
    overridden = rng.random(items) < np.where(audited, 0.5 * rate, 1.75 * rate)
    return overridden.astype(np.float64), np.where(audited, 0.05, 1.0)


def calibration_losses(runs: int, labels: int = 200, sharpness: float = 2.0, seed: int = 6) -> dict[str, float]:
    """Mean log-loss on unseen decisions after recalibrating scores whose log-odds were multiplied by `sharpness`.

    2: an overconfident model; 1: the score as published, which is calibrated.
    """
    score, label, _ = employment()
    sharpened = expit(sharpness * log_odds(score))
    rng = np.random.default_rng(seed)
    losses: dict[str, list[float]] = {}
    for _ in range(runs):
        order = rng.permutation(len(score))
        known, unseen = order[:labels], order[labels : labels + 1000]
        f, y, at, truth = sharpened[known], label[known], sharpened[unseen], label[unseen]
        platt = LogisticRegression(C=np.inf).fit(log_odds(f)[:, None], y)
        # Isotonic answers of 0 and 1 would have unbounded loss: they are clipped by the rule of succession.
        surest = 1 / (labels + 2)
        answers = {
            "none": at,
            "fitted": fit(f, y).apply(at),
            "platt": platt.predict_proba(log_odds(at)[:, None])[:, 1],
            "isotonic": np.clip(isotonic(f, y, at), surest, 1 - surest),
            "venn-abers": venn_abers(f, y, at).point,
        }
        for method, answer in answers.items():
            losses.setdefault(method, []).append(log_loss(answer, truth).mean())
    return {method: float(np.mean(each)) for method, each in losses.items()}


def identity_gate(runs: int, labels: int, truth: LogOdds, seed: int = 7) -> tuple[float, float, float, float]:
    """Share deployed, and expected log-loss above the best possible: without recalibration, with, and if gated."""
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(runs):
        f = rng.beta(8, 1.5, labels)
        recalibration = recalibrate(f, rng.random(labels) < truth.apply(f))
        unseen = rng.beta(8, 1.5, 4000)
        p = truth.apply(unseen)
        none, always = (_excess(model.apply(unseen), p) for model in (IDENTITY, recalibration.model))
        results.append((recalibration.deploy, none, always, always if recalibration.deploy else none))
    deployed, none, always, gated = np.mean(results, axis=0)
    return float(deployed), float(none), float(always), float(gated)


def drifted_stream(runs: int, items: int = 3000, window: int = 500, seed: int = 8) -> dict[str, float]:
    """Expected log-loss in the second half of a stream, in which a model is far too sure, by what is deployed.

    True log-odds are normal (1.5, 1.5). The model says 1.05 times these, from the middle on 3 times. Refits (all the
    history, the last `window` labels) every hundred labels.
    """
    rng = np.random.default_rng(seed)
    half = items // 2
    losses: dict[str, list[float]] = {}
    for _ in range(runs):
        odds = rng.normal(1.5, 1.5, items)
        p = expit(odds)
        f = expit(odds * np.where(np.arange(items) < half, 1.05, 3.0))
        y = (rng.random(items) < p).astype(np.float64)
        state = OnlinePlatt()
        online = np.empty(items)
        for index in range(items):
            online[index] = state.predict(f[index])
            state = state.update(f[index], bool(y[index]))
        ends = range(half, items, 100)
        deployed = {
            "none": f[half:],
            "frozen": fit(f[:half], y[:half]).apply(f[half:]),
            "history": np.concatenate([fit(f[:end], y[:end]).apply(f[end : end + 100]) for end in ends]),
            "online": online[half:],
            "window": np.concatenate(
                [fit(f[end - window : end], y[end - window : end]).apply(f[end : end + 100]) for end in ends]
            ),
            "oracle": p[half:],
        }
        for name, q in deployed.items():
            # The expectation over labels: one run is as precise as several with sampled labels.
            right, wrong = (log_loss(q, np.full(len(q), label)) for label in (1.0, 0.0))
            losses.setdefault(name, []).append((p[half:] * right + (1 - p[half:]) * wrong).mean())
    return {name: float(np.mean(each)) for name, each in losses.items()}


def confident_accuracy(runs: int, decisions: int = 8000, audit: float = 0.1, seed: int = 9) -> dict[str, float]:
    """Accuracy at confidence ≥ .95: the truth, and by fits on reviewed decisions below it alone, on those and
    unweighted audits, and on those and weighted audits. The model is right as often as it says below .95 and less
    above."""
    rng = np.random.default_rng(seed)
    accuracies: dict[str, list[float]] = {}
    for _ in range(runs):
        f = 1 - rng.beta(1, 9, decisions) / 2
        p = np.minimum(f, 0.9 + (f - 0.9) * 0.4)
        y = (rng.random(decisions) < p).astype(np.float64)
        sure: Bools = f >= 0.95
        pi = np.where(sure, audit, 1.0)
        r = rng.random(decisions) < pi
        accuracies.setdefault("truth", []).append(p[sure].mean())
        for name, rows, weights in (
            ("reviewed only", r & ~sure, None),
            ("unweighted", r, None),
            ("weighted", r, 1 / pi[r]),
        ):
            accuracies.setdefault(name, []).append(fit(f[rows], y[rows], weights).apply(f[sure]).mean())
    return {name: float(np.mean(each)) for name, each in accuracies.items()}


def _coverage(estimates: list[Estimate], truth: float) -> Coverage:
    values = np.array([estimate.value for estimate in estimates])
    held = [estimate.low <= truth <= estimate.high for estimate in estimates]
    return Coverage(float(values.mean() - truth), float(values.std()), float(np.mean(held)))


def _excess(q: Floats, p: Floats) -> float:
    """Expected log-loss of q above that of p where p is the truth."""
    return float((p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean())


def _named(names: tuple[str, ...], measure: Callable[[int], tuple[Any, ...]]) -> Callable[[int], dict[str, Any]]:
    return lambda runs: dict(zip(names, measure(runs), strict=True))


_MISSED = ("anytime", "Clopper-Pearson at every look")
_REQUESTED = ("share of runs", "by the raw rate of the last 100", "median reviews until then")
_GATED = ("deployed", "excess loss of none", "of always", "of the gate")

_METHODS = ("Horvitz–Thompson", "Hájek", "AIPW")

GATES = {
    "intervals under selection": Gate(
        estimator_coverage, 3000, tuple(Promise(f"{method} coverage", 0.93, 0.985) for method in _METHODS)
    ),
    "intervals where overrides are rare": Gate(rare_override_coverage, 1000, (Promise("coverage", at_least=0.95),)),
    "interval ever missed the truth": Gate(_named(_MISSED, ever_miscovered), 2000, (Promise("anytime", at_most=0.05),)),
    "weighted betting interval ever missed": Gate(betting_miscovered, 1000, (Promise("share", at_most=0.05),)),
    "retraining asked for at .15": Gate(
        _named(_REQUESTED, lambda runs: retraining_requests(runs, 0.15)),
        1000,
        (Promise("share of runs", at_most=0.05),),
    ),
    "retraining asked for at .20": Gate(_named(_REQUESTED, lambda runs: retraining_requests(runs, 0.20)), 200),
    "log-loss by calibration, 200 labels": Gate(calibration_losses, 100),
    "gate on a calibrated model": Gate(_named(_GATED, lambda runs: identity_gate(runs, 200, IDENTITY)), 200),
    "gate on an overconfident model": Gate(
        _named(_GATED, lambda runs: identity_gate(runs, 500, LogOdds(0.0, 0.5))), 50
    ),
    "log-loss under drift": Gate(drifted_stream, 10),
    "accuracy of the confident": Gate(confident_accuracy, 100),
}
