"""Simulations of drift: our monitors on streams whose rate is at the limit, above it, or changes; and their rivals.

Each takes the number of `runs` and returns its figures; tests run a few.
"""

import math
from typing import Any

import numpy as np
from river.drift import ADWIN, KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, HDDMA

from bench.gates.gate import Gate, Promise
from interlock.learning.arrays import Bools, Floats
from interlock.learning.drift import KAPPAS, e_values, step
from interlock.processors.calibration.alarm_level import FALSE_ALARMS_PER_YEAR, REVIEWS_PER_YEAR, alarm_level
from interlock.processors.calibration.confidence import ConfidenceDrift

Measured = dict[str, float]

LIMIT = 0.15

# Evidence at which the e-process and the e-CUSUM alarm: levels .05 and .001.
THRESHOLDS = (20.0, 1000.0)

# Decisions a day of streams of confidence.
PER_DAY = 5_000
_DAY = 86_400_000_000

# The other streams change from a rate of .10 after CHANGE of DECISIONS decisions.
CHANGE, DECISIONS = 2000, 5000


def drift(runs: int, seed: int = 4) -> Measured:
    """Limit 15 %: delays and false alarms of the e-process, the e-CUSUM and ADWIN."""
    rng = np.random.default_rng(seed)
    at_limit, _ = first_alarms((rng.random((runs, 3000)) < 0.15).astype(float))
    above, _ = first_alarms((rng.random((runs, 3000)) < 0.20).astype(float))
    measured = {"false alarms at the limit": float(np.isfinite(at_limit).mean()), "decisions at .20": _median(above)}
    for rate in (0.2, 0.3):
        streams = changing(rng, runs, rate)
        _, late = first_alarms(streams.astype(float))
        measured |= _early_and_late(f"e-CUSUM to {rate}", late)
        if rate == 0.2:
            adwins = [ADWIN() for _ in streams]  # type: ignore[no-untyped-call, unused-ignore]
            measured |= _early_and_late("ADWIN", np.array(list(map(_first, adwins, streams))))
    return measured


def rivals(runs: int, seed: int = 5) -> Measured:
    """From .10 to .20: early alarms and median delays of other detectors, all with their usual settings."""
    streams = changing(np.random.default_rng(seed), runs, 0.2)
    detectors = {"HDDM_A": HDDMA, "Page-Hinkley": PageHinkley, "DDM": DDM, "EDDM": EDDM}
    first = {name: np.array([_first(detector(), row) for row in streams]) for name, detector in detectors.items()}
    first |= {"CUSUM": _cusum(streams), "rolling 100": _rolling(streams)}
    return {key: value for name, alarms in first.items() for key, value in _early_and_late(name, alarms).items()}


def kswin(runs: int, seed: int = 6) -> Measured:
    """Share of streams in whose 3,000 decisions after the change KSWIN alarms; about a second each."""
    # Its window is 100, so it has forgotten what came long before the change.
    streams = changing(np.random.default_rng(seed), runs, 0.2)[:, CHANGE - 200 :]
    return {"detected": float(np.mean([math.isfinite(_first(KSWIN(seed=seed), row)) for row in streams]))}


def changing(rng: np.random.Generator, runs: int, rate: float) -> Bools:
    """Overrides by run and decision: of .10 before the change, of `rate` after it."""
    return rng.random((runs, DECISIONS)) < np.where(np.arange(DECISIONS) < CHANGE, 0.1, rate)


def first_alarms(values: Floats, limit: float = LIMIT) -> tuple[Floats, Floats]:
    """When the e-process and the e-CUSUM first alarm, by run; inf: never. `values`: (runs, decisions)."""
    kappas = np.array(KAPPAS)
    bets = np.zeros((2, len(values), len(kappas)))
    first = np.full((2, len(values)), np.inf)
    for index, value in enumerate(values.T):
        bets = step(bets, value, limit, kappas)
        reached = e_values(bets) >= np.array(THRESHOLDS)[:, None]
        first = np.where(reached & np.isinf(first), index + 1, first)
    return first[0], first[1]


def _first(detector: Any, values: Bools) -> float:
    for number, value in enumerate(values.tolist(), 1):
        detector.update(float(value))
        if detector.drift_detected:
            return float(number)
    return math.inf


def _cusum(streams: Bools, height: float = 7.0) -> Floats:
    """The likelihood ratio of .20 to .10, restarted from 1 whenever it has lost: it knows both rates."""
    gains = np.asarray(np.where(streams, np.log(0.2 / 0.1), np.log(0.8 / 0.9)))
    sums, first = np.zeros(len(streams)), np.full(len(streams), np.inf)
    for index, gain in enumerate(gains.T):
        sums = np.maximum(sums, 0) + gain
        first = np.where((sums >= height) & np.isinf(first), index + 1, first)
    return first


def _rolling(streams: Bools) -> Floats:
    """More than 15 of the last hundred, checked every hundred."""
    above = streams.reshape(len(streams), -1, 100).sum(axis=2) > 15
    return np.where(above.any(axis=1), 100.0 * (above.argmax(axis=1) + 1), np.inf)


def _early_and_late(name: str, first: Floats, change: int = CHANGE) -> Measured:
    """Share of alarms before the change, and the median delay of the others."""
    early = first <= change
    return {f"{name} early": float(early.mean()), f"{name} delay": _median(first[~early]) - change}


def confidence_shifts(runs: int, seed: int = 7) -> Measured:
    """Warnings of the confidence monitor: none on what stays as it is, few on rhythms, delays of true shifts."""
    rng = np.random.default_rng(seed)
    day = np.arange(50 * PER_DAY) // PER_DAY
    clock = np.arange(50 * PER_DAY) / PER_DAY
    rhythms = {
        "nothing": np.zeros(len(day)),
        "day ±.02": 0.02 * np.sin(2 * np.pi * clock),
        "day ±.03": 0.03 * np.sin(2 * np.pi * clock),
        "weekends -.02": np.where(day % 7 >= 5, -0.02, 0.0),
    }
    measured: Measured = {}
    for name, rhythm in rhythms.items():
        told = [len(_warnings(rng.beta(6, 1.2, len(day)) + rhythm)) for _ in range(max(1, runs // 10))]
        measured[f"{name}: most warnings in 50 days"] = float(max(told))
    for by in (0.05, -0.05):
        shifted = np.where(np.arange(12 * PER_DAY) < 10 * PER_DAY, 0, by)
        first = [_first_warning(rng.beta(6, 1.2, len(shifted)) + shifted) for _ in range(runs)]
        places = np.array([place for place, _ in first])
        measured |= _early_and_late(f"{by:+}", places, 10 * PER_DAY)
        measured[f"{by:+} wrong sign"] = float(np.mean([size * by < 0 for _, size in first]))
    return measured


def _warnings(confidence: Floats) -> list[tuple[int, float]]:
    """Place and size of every warning about a stream of PER_DAY decisions a day."""
    drift, told = ConfidenceDrift(), []
    for number, value in enumerate(np.clip(confidence, 0, 1).tolist()):
        shift = drift.watch("m@1", value, 20_454 * _DAY + number * _DAY // PER_DAY)
        if shift is not None:
            told.append((number, shift.size))
    return told


def _first_warning(confidence: Floats) -> tuple[float, float]:
    told = _warnings(confidence)
    return (float(told[0][0]), told[0][1]) if told else (math.inf, math.nan)


def certificates(runs: int, seed: int = 8) -> Measured:
    """Halts of a certificate of 5 %: false ones a year at 1,000 reviews a day, by its true error, and delays of true
    ones after 1,000 good reviews (2 % wrong), for several levels."""
    measured: Measured = {}
    for error in (0.05, 0.045, 0.04):
        alarms, reviews = certificate_alarms(error, error, runs=runs, reviews=20_000, seed=seed, ever=False)
        measured[f"false halts a year at {error:.1%}"] = alarms / reviews.sum() * REVIEWS_PER_YEAR
    for level in (FALSE_ALARMS_PER_YEAR, 0.1):
        for error in (0.075, 0.1, 0.15, 0.2):
            _, first = certificate_alarms(0.02, error, runs=runs, change=1_000, reviews=8_000, seed=seed, level=level)
            measured[f"{level:g} a year, to {error:.1%}: delay"] = _median(first) - 1_000
    return measured


def certificate_alarms(
    good: float = 0.02,
    bad: float = 0.02,
    *,
    runs: int = 100,
    change: int = 0,
    reviews: int = 1_000,
    seed: int = 9,
    level: float = FALSE_ALARMS_PER_YEAR,
    limit: float = 0.05,
    ever: bool = True,
    wrong: Bools | None = None,
) -> tuple[int, Floats]:
    """How many of the certificates were halted, and after how many reviews each was, or its stream ended. Every
    decision is reviewed. `wrong`: (runs, reviews) instead of random streams; `ever`: False leaves the e-process out."""
    if wrong is None:
        rates = np.where(np.arange(reviews) < change, good, bad)
        wrong = np.random.default_rng(seed).random((runs, reviews)) < rates
    kappas = np.array(KAPPAS)
    bets = np.stack([np.zeros((len(wrong), len(kappas))), np.full((len(wrong), len(kappas)), -np.inf)])
    sure = alarm_level(level)
    thresholds = np.array([1 / sure.ever if ever else math.inf, 1 / sure.quick])[:, None]
    first = np.full(len(wrong), np.inf)
    for number, values in enumerate(wrong.T.astype(float), 1):
        bets = step(bets, values, limit, kappas, np.logaddexp)
        first = np.where((e_values(bets) >= thresholds).any(axis=0) & np.isinf(first), number, first)
        if np.isfinite(first).all():
            break
    return int(np.isfinite(first).sum()), np.minimum(first, wrong.shape[1])


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else math.nan


GATES = {
    "confidence": Gate(
        confidence_shifts,
        40,
        (
            Promise("nothing: most warnings in 50 days", at_most=0),
            Promise("day ±.02: most warnings in 50 days", at_most=1, before=53),
            Promise("day ±.03: most warnings in 50 days", at_most=1, before=98),
            Promise("weekends -.02: most warnings in 50 days", at_most=1, before=14),
            Promise("+0.05 delay", at_most=407, before=407),
            Promise("-0.05 delay", at_most=375, before=375),
            Promise("+0.05 wrong sign", at_most=0),
            Promise("-0.05 wrong sign", at_most=0),
        ),
        8,
    ),
    "certificates that halt": Gate(
        certificates,
        1_000,
        (
            Promise("false halts a year at 5.0%", at_most=FALSE_ALARMS_PER_YEAR, before=1.25),
            Promise("2 a year, to 7.5%: delay", at_most=1400, before=1366),
            Promise("2 a year, to 10.0%: delay", at_most=410, before=375),
            Promise("2 a year, to 15.0%: delay", at_most=125, before=112),
            Promise("2 a year, to 20.0%: delay", at_most=70, before=58),
        ),
        60,
    ),
    "drift": Gate(drift, 400, (Promise("false alarms at the limit", at_most=0.05),)),
    "drift, other detectors": Gate(rivals, 400),
    "drift, KSWIN": Gate(kswin, 50),
}
