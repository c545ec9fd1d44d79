"""How soon after a change retraining is requested, however long it was good before, and how rarely for nothing."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.learning.arrays import Floats
from interlock.learning.betting import log_capital
from interlock.learning.change_point import RUN_LENGTH, ChangeDetector, gains, log_evidence
from interlock.processors.feedback.feedback import Feedback
from interlock.processors.feedback.model_stats import ModelVersionStats, RetrainingTerms
from interlock.schemas.catalogue import RETRAINING_REQUESTS

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


# A day at a desk: six tenths of a thousand decisions are reviewed within two hours, of the others 5 % are audited, two
# days later.
REVIEWS, AUDITS_A_DAY, REVIEWED = 600, 20, 0.6
DAY = 86_400_000_000
WAIT = {"async": DAY // 12, "audit": 2 * DAY}


def days_to_a_request(runs: int, good: int, bad: float, audited: float, seed: int = 7) -> dict[str, float]:
    """Days from the change of the rate (.10 for `good` days, then `bad`, and `audited` among what is audited) to the
    request, by the product's own code, where audits are judged last. "settled order": by verdicts up to the watermark
    alone."""
    found: dict[str, list[float]] = {"open counts as right": [], "settled order": []}
    for run in range(runs):
        verdicts = _desk(np.random.default_rng((seed, run)), good, good + 20, bad, audited)
        for name, days in found.items():
            told = name == "open counts as right"
            feedback = Feedback(RetrainingTerms())
            days.append(next((at / DAY - good for at in _requests(feedback, verdicts, told=told)), math.inf))
    return {name: float(np.median(days)) for name, days in found.items()}


def falsely_by_order(runs: int, days: int, rate: float) -> dict[str, float]:
    """Share of such desks at which a change is told of within `days` though the rate of all decisions is `rate` all the
    time: by the product's own code, and if each way counted up to a watermark of its own."""
    bets = ChangeDetector(LIMIT).bets
    falsely: dict[str, list[bool]] = {"open counts as right": [], "own watermarks": []}
    for run in range(runs):
        verdicts = _desk(np.random.default_rng((8, run)), 0, days, rate, AUDITED_ERROR)
        falsely["open counts as right"].append(any(_requests(Feedback(RetrainingTerms()), verdicts, told=True)))
        values = np.array([float(verdict["outcome"] != verdict["prediction"]) for verdict in verdicts])
        weights = np.array([AUDIT_RATE / verdict["propensity"] for verdict in verdicts])
        falsely["own watermarks"].append(_rose(gains(values, weights, LIMIT, bets)))
    return {name: float(np.mean(found)) for name, found in falsely.items()}


def _requests(feedback: Feedback, verdicts: list[dict[str, Any]], *, told: bool) -> Iterator[int]:
    """When retraining is requested. Unless `told`, the desk does not say what is open."""
    silent = {"open_audits": None, "open_reviews": None}
    for verdict in verdicts:
        outcome = verdict if told else verdict | silent
        example = {"example_id": verdict["outcome_id"], "attributes": {}, "prediction": "False"}
        for event in feedback.learn(outcome, example):
            if event.topic is RETRAINING_REQUESTS:
                yield int(verdict["at"])


def _desk(rng: np.random.Generator, change: int, days: int, rate: float, audited: float) -> list[dict[str, Any]]:
    """The outcomes of so many days in the order of judging: in each way first come, first served."""
    arrived = {
        "async": np.sort(rng.integers(0, days * DAY, days * REVIEWS)),
        "audit": np.sort(rng.integers(0, days * DAY, days * AUDITS_A_DAY)),
    }
    wrong = {}
    for way, times in arrived.items():
        good, bad = AUDITED_ERROR, audited
        if way == "async":
            good, bad = ((of_all - (1 - REVIEWED) * auto) / REVIEWED for of_all, auto in ((0.1, good), (rate, bad)))
        wrong[way] = rng.random(len(times)) < np.where(times < change * DAY, good, bad)
    judged = [(int(at) + WAIT[way], way, number) for way in arrived for number, at in enumerate(arrived[way])]
    done = dict.fromkeys(arrived, 0)
    outcomes = []
    for now, way, number in sorted(judged):
        done[way] += 1
        came = {name: int(np.searchsorted(times, now, side="right")) for name, times in arrived.items()}
        waiting = [int(arrived[name][done[name]]) for name in arrived if done[name] < came[name]]
        audit = way == "audit"
        told = {
            "outcome_id": f"{way}{number}#1",
            "decision_id": f"{way}{number}",
            "kind": "audit" if audit else "review",
            "reviewer": "ann",
            "round": 0,
            "audit": audit,
            "route": "auto" if audit else "async",
            "propensity": AUDIT_RATE if audit else 1.0,
            "at": now,
            "arrived_at": int(arrived[way][number]),
            "settled_before": min([now, *waiting]),
            "way_settled": done[way],
            "way_judged": done[way],
            "open_audits": came["audit"] - done["audit"],
            "open_reviews": came["async"] - done["async"],
            "outcome": str(bool(wrong[way][number])),
        }
        outcomes.append(told | {"prediction": "False", "domain": "", "model_id": "", "model_version": ""})
    return outcomes


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


def _days(bad: float, audited: float, at_most: float, before: float) -> Gate:
    promise = Promise("open counts as right", at_most=at_most, before=before)
    return Gate(lambda runs: days_to_a_request(runs, 5, bad, audited), 20, (promise,), quick=1)


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
    "days with audits two days late: .10, then .20": _days(0.2, 0.05, 8.0, 6.9),
    "days with audits two days late: .10, then .25": _days(0.25, 0.06, 3.0, 3.7),
    "days with audits two days late: .10, then .30": _days(0.3, 0.08, 2.0, 3.0),
    "days with audits two days late: .10, then .40": _days(0.4, 0.1, 1.6, 2.5),
    "no request at the limit with audits two days late": Gate(
        lambda runs: falsely_by_order(runs, 20, LIMIT),
        40,
        # Why each way cannot have a watermark of its own.
        (Promise("open counts as right", at_most=0.05), Promise("own watermarks", at_least=0.5)),
        quick=4,
    ),
}
