"""What an unequal allocation of audits would bring: decisions until the first certificate, and width of the estimate.

The error lies where nobody knows. An audit with a chance π moves the evidence by lowest π / π, so evidence grows with
the smallest chance of all, whatever the others have; the estimate gains by Neyman's allocation, π ∝ √(f(1 − f)).
"""

import itertools

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bench.gates.gate import Gate
from interlock.demo import survey
from interlock.learning.arrays import Bools, Floats
from interlock.learning.certification import SHARES, add, first_thresholds, no_evidence, sample_size
from interlock.learning.estimates import Target, hajek

ALPHA, DELTA = 0.05, 0.10
AUDITS = 0.05
AUTO = 0.95
# As the product does.
_WARM_UP = 200

# Decisions of the invented lane.
_INVENTED = 60_000


def measured(runs: int) -> dict[str, float]:
    """Median decisions until the first certificate, and mean width of the interval of the error of what is automatic,
    from 20,000 decisions; audits equally, near the threshold with a floor of a quarter, and twice as many of them."""
    confidence, right, per_decision = _lane()
    rates = {
        "equal": np.full(len(confidence), AUDITS),
        "near thresholds": near_thresholds(confidence, AUDITS),
        "twice as many": np.full(len(confidence), 2 * AUDITS),
    }
    figures: dict[str, float] = {}
    for name, rate in rates.items():
        propensity = np.where(confidence >= AUTO, rate, 1.0)
        first, widths = [], []
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            seen, places = _reviewed(propensity, rng)
            found = _first_certificate(confidence[seen], right[seen], propensity[seen])
            first.append(np.inf if found is None else places[found] * per_decision)
            audits = seen[propensity[seen] < 1]
            estimate = hajek(~right[audits], np.ones(len(audits)), propensity[audits], Target.PROCESS)
            widths.append(estimate.high - estimate.low)
        figures[f"{name}: decisions"] = float(np.median(first))
        figures[f"{name}: width"] = float(np.mean(widths))
    return figures


def timeline(runs: int) -> dict[str, float]:
    """Median decisions until the first certificate, by the share of what is automatic that people see; 1: in shadow."""
    confidence, right, per_decision = _lane()
    figures = {}
    for rate in (1.0, 0.5, 0.2, 0.1, 0.05):
        propensity = np.where(confidence >= AUTO, rate, 1.0)
        first = []
        for seed in range(runs):
            seen, places = _reviewed(propensity, np.random.default_rng(seed))
            found = _first_certificate(confidence[seen], right[seen], propensity[seen])
            first.append(np.inf if found is None else places[found] * per_decision)
        figures[f"people see {rate:.0%}"] = float(np.median(first))
    return figures


def by_zone(runs: int) -> dict[str, float]:
    """Median decisions until a certificate of a lane of which a fifth is doubtful and errs in 10 %, the rest in 0.1 %:
    audits equally, and 2.7 times as often where it is doubtful; with the evidence of all, and with one of each zone.
    """
    figures: dict[str, float] = {}
    for name, doubtful, sure in (("equal", AUDITS, AUDITS), ("2.7 : 1", 0.1, 0.0375)):
        first: dict[str, list[float]] = {"evidence of all": [], "by zone": []}
        for seed in range(runs):
            rng = np.random.default_rng(seed)
            in_doubt = rng.random(_INVENTED) < 0.2
            propensity = np.where(in_doubt, doubtful, sure)
            wrong = rng.random(_INVENTED) < np.where(in_doubt, 0.1, 0.001)
            places = np.flatnonzero(rng.random(_INVENTED) < propensity)
            seen = in_doubt[places], wrong[places], propensity[places]
            for way, capital in (("evidence of all", _of_all(*seen)), ("by zone", _of_zones(*seen, doubtful, sure))):
                proved = np.flatnonzero(capital >= -np.log(DELTA))
                first[way].append(float(places[proved[0]]) if len(proved) else np.inf)
        figures |= {f"{name}: {way}": float(np.median(decisions)) for way, decisions in first.items()}
    return figures


def _of_all(_: Bools, wrong: Bools, propensity: Floats) -> Floats:
    """Log capital against "more than alpha is wrong", its bets scaled by the smallest π."""
    bets = np.array(SHARES) * propensity.min() / (1 - ALPHA)
    paths = np.log1p(np.outer((ALPHA - wrong) / propensity, bets)).cumsum(axis=0)
    return np.asarray(np.logaddexp.reduce(paths, axis=1) - np.log(len(bets)))


def _of_zones(in_doubt: Bools, wrong: Bools, propensity: Floats, doubtful: float, sure: float) -> Floats:
    """The same, each zone's bets scaled by its own π. Nobody knows how the errors divide, so the null is a union: that
    a share of at least g of all decisions is doubtful and wrong, and at least alpha − g sure and wrong, by steps of g.
    """
    steps = np.linspace(0, ALPHA, 11)
    weakest = np.full(len(wrong), np.inf)
    for low, high in itertools.pairwise(steps):
        # Between two steps either share is at least this.
        in_zones = (in_doubt, doubtful, low), (~in_doubt, sure, ALPHA - high)
        gains = [pi / (1 - part) * (part - (zone & wrong)) / propensity for zone, pi, part in in_zones]
        paths = [np.log1p(one * gains[0] + other * gains[1]).cumsum() for one in SHARES for other in SHARES]
        capital = np.logaddexp.reduce(np.array(paths), axis=0) - np.log(len(paths))
        weakest = np.minimum(weakest, np.maximum.accumulate(capital))
    return weakest


def _lane() -> tuple[Floats, Bools, float]:
    """Confidence, and whether the model was right, of the decisions of a lane; how many there are of all for each."""
    frame = pl.read_parquet(survey.SAMPLE)
    score = frame["predicted_probability"].to_numpy()
    lane = score < 0.5
    return 1 - score[lane], frame["employed"].to_numpy()[lane] == 0, len(frame) / int(lane.sum())


def _reviewed(propensity: Floats, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The decisions that people see, in the order of a stream, and which in it they are."""
    order = rng.permutation(len(propensity))
    places = np.flatnonzero(rng.random(len(order)) < propensity[order])
    return order[places], places


def near_thresholds(confidence: Floats, rate: float) -> Floats:
    """π ∝ √(f(1 − f)) with a floor of a quarter of the rate, whose mean over what is automatic is the rate."""
    inside = confidence >= AUTO
    doubt = np.sqrt(confidence * (1 - confidence))
    low, high = 0.0, 1_000.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = np.clip(middle * doubt[inside], rate / 4, 1).mean()
        low, high = (middle, high) if mean < rate else (low, middle)
    return np.clip(high * doubt, rate / 4, 1)


def _first_certificate(confidence: Floats, right: Bools, propensity: Floats) -> int | None:
    """Which reviewed decision completes it."""
    lowest = float(propensity.min())
    labels = round(20 * sample_size(ALPHA, DELTA))
    thresholds = first_thresholds(confidence[:_WARM_UP], labels, ALPHA, DELTA)
    evidence = no_evidence(thresholds, alpha=ALPHA, delta=DELTA)
    for start in range(_WARM_UP, len(confidence), 100):
        part = slice(start, start + 100)
        reviewed = np.ones(len(confidence[part]), dtype=np.bool_)
        evidence = add(evidence, confidence[part], right[part], reviewed, propensity[part], lowest)
        if evidence.certified is not None:
            return min(start + 100, len(confidence)) - 1
    return None


GATES = {
    "allocation of audits": Gate(measured, 50, quick=5),
    "evidence by zone": Gate(by_zone, 12, quick=2),
    "time to the first certificate": Gate(timeline, 50, quick=5),
}
