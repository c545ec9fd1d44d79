"""Simulations of drift: our monitors on streams whose rate is at the limit, above it, or changes; and their rivals.

Each takes the number of `runs` and returns its figures; tests run a few.
"""

import math
from typing import Any

import numpy as np
from river.drift import KSWIN, PageHinkley
from river.drift.binary import DDM, EDDM, HDDMA

from bench.gates.gate import Gate, Promise
from interlock.learning.arrays import Bools, Floats
from interlock.learning.drift import KAPPAS, ConfidenceMonitor, e_values, step

Measured = dict[str, float]

LIMIT = 0.15

# Evidence at which the e-process and the e-CUSUM alarm: levels .05 and .001.
THRESHOLDS = (20.0, 1000.0)

# All streams here change from a rate of .10 after CHANGE of DECISIONS decisions.
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
            measured |= _early_and_late("ADWIN", np.array([_adwin(row) for row in streams]))
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


def _adwin(values: Bools) -> float:
    monitor = ConfidenceMonitor()
    alarms = (alarm for number, value in enumerate(values, 1) if (alarm := monitor.update(float(value), number)))
    return next((float(alarm.at) for alarm in alarms), math.inf)


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


def _early_and_late(name: str, first: Floats) -> Measured:
    """Share of alarms before the change, and the median delay of the others."""
    early = first <= CHANGE
    return {f"{name} early": float(early.mean()), f"{name} delay": _median(first[~early]) - CHANGE}


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else math.nan


GATES = {
    "drift": Gate(drift, 400, (Promise("false alarms at the limit", at_most=0.05),)),
    "drift, other detectors": Gate(rivals, 400),
    "drift, KSWIN": Gate(kswin, 50),
}
