"""How soon after a change retraining is requested, however long it was good before, and how rarely for nothing."""

import math

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.learning.arrays import Floats
from interlock.learning.betting import log_capital
from interlock.learning.change_point import RUN_LENGTH, ChangeDetector, gains, log_evidence
from interlock.processors.feedback.model_stats import ModelVersionStats, RetrainingTerms

# The limit of all designs, and the level of the bound of all decisions since the start.
LIMIT, ALPHA = 0.15, 0.05

# A thousand a day.
YEAR = 365_000

# Reviewed outcomes between two looks of the product.
EVERY = 100

# Audits among the reviewed outcomes where two fifths of the decisions take effect by themselves: .4 × .05 of .62.
AUDIT_RATE, AUDITS = 0.05, 0.032
AUDITED_ERROR = 0.03


def never_falsely(runs: int, outcomes: int = YEAR, rate: float = LIMIT) -> dict[str, float]:
    """Share of years in which retraining is requested though the rate of all decisions is `rate` all the time: with
    everything reviewed, and with audits at 5 %."""
    return {
        name: float(np.mean(_requested(runs, outcomes, rate, audits=audits)))
        for name, audits in (("everything reviewed", False), ("audits 5 %", True))
    }


def after_a_change(runs: int, good: int, bad: float, seed: int = 5) -> dict[str, float]:
    """Reviewed outcomes from the change of the rate (.10 for `good` outcomes, then `bad`) to the request, by the
    product's own code; and how far the stated start lies from the true one."""
    delays: list[float] = []
    distances: list[float] = []
    for run in range(runs):
        rng = np.random.default_rng((seed, run))
        stats = ModelVersionStats(RetrainingTerms(smallest_propensity=1.0))
        for number in range(good + 20_000):
            stats.add(*_outcome(number, bool(rng.random() < (0.1 if number < good else bad))))
            if stats.all.count % EVERY == 0 and stats.must_request():
                change = stats.change()
                delays.append(number + 1 - good)
                distances.append(abs(change.at - good) if change else math.nan)
                break
        else:
            delays.append(math.inf)
    named = np.array(distances)
    return {
        "median": float(np.median(delays)),
        "of nine in ten": float(np.quantile(delays, 0.9)),
        "start missed by": float(np.nanmedian(named)) if np.isfinite(named).any() else math.nan,
    }


def _outcome(number: int, overridden: bool) -> tuple[dict[str, object], dict[str, object]]:
    outcome = {
        "decision_id": str(number),
        "outcome": str(overridden),
        "prediction": "False",
        "propensity": 1.0,
        "arrived_at": number,
        "domain": "",
        "audit": False,
        "route": "async",
        "way_settled": None,
        "way_judged": None,
    }
    return outcome, {"example_id": str(number), "attributes": {}, "prediction": "False"}


def _requested(runs: int, outcomes: int, rate: float, *, audits: bool, seed: int = 6) -> list[bool]:
    """By run, whether one of the two ways to a request is ever taken."""
    rng = np.random.default_rng((seed, audits))
    smallest = AUDIT_RATE if audits else 1.0
    bets = ChangeDetector(LIMIT).bets
    requested = []
    for _ in range(runs):
        audit = rng.random(outcomes) < AUDITS * audits
        # The doubtful are as often wrong as makes `rate` of all, audited ones standing for twenty each.
        doubtful = rate + (rate - AUDITED_ERROR) * AUDITS / AUDIT_RATE / (1 - AUDITS) * audits
        values = (rng.random(outcomes) < np.where(audit, AUDITED_ERROR, doubtful)).astype(np.float64)
        weights = np.where(audit, 1.0, smallest)
        since_start = log_capital(values, weights, LIMIT, ALPHA).max() >= -math.log(ALPHA)
        requested.append(bool(since_start or _rose(gains(values, weights, LIMIT, bets))))
    return requested


def _rose(growth: Floats) -> bool:
    """Whether the change detector ever alarms, from the growth by outcome and bet."""
    capital = np.cumsum(growth, axis=0)
    before = np.vstack([np.zeros(growth.shape[1]), capital[:-1]])
    return bool(log_evidence(capital + np.logaddexp.accumulate(-before, axis=0)).max() >= math.log(RUN_LENGTH))


# Outcomes until a request before the change detector, by the bound since the start alone: good outcomes, then a rate.
_BEFORE = {(0, 0.2): 723, (1_000, 0.2): 16_269, (5_000, 0.3): 7_476, (20_000, 0.3): 20_000, (20_000, 0.5): 11_789}


def _changed(good: int, bad: float, at_most: float = math.inf) -> Gate:
    promise = Promise("of nine in ten", at_most=at_most, before=_BEFORE.get((good, bad)))
    return Gate(lambda runs: after_a_change(runs, good, bad), 20, (promise,), quick=1)


GATES = {
    "no request in a year at the limit": Gate(
        never_falsely,
        200,
        tuple(Promise(name, at_most=0.05) for name in ("everything reviewed", "audits 5 %")),
        quick=4,
    ),
    ".20 from the start": _changed(0, 0.2),
    ".10 for 1,000, then .20": _changed(1_000, 0.2),
    ".10 for 5,000, then .30": _changed(5_000, 0.3, 1_500),
    ".10 for 20,000, then .20": _changed(20_000, 0.2),
    ".10 for 20,000, then .30": _changed(20_000, 0.3, 1_500),
    ".10 for 20,000, then .50": _changed(20_000, 0.5, 1_500),
}
