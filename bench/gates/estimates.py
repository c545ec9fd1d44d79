"""Do the intervals of rates hold the truth? Strata of a few audits beside many reviews, all answered or not.

Each gate takes `runs` and returns, for each method, the share of 95 % intervals that hold the truth, and the share
whose upper end lies below it: the dangerous side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.learning.answered import MIN_SHOWN
from interlock.learning.arrays import Bools, Floats
from interlock.learning.estimates import Estimate, Target, aipw, hajek, horvitz_thompson
from interlock.learning.insufficient_data import InsufficientDataError

Measured = dict[str, float]


@dataclass(frozen=True)
class Way:
    """So many decisions, of which each comes to a person with probability `pi` and is wrong with probability `error`.
    `error` (low, high): grows from the one to the other with doubt."""

    decisions: int
    pi: float
    error: float | tuple[float, float]

    def risks(self) -> Floats:
        """Of each decision, the least doubtful first."""
        low, high = self.error if isinstance(self.error, tuple) else (self.error, self.error)
        return np.linspace(low, high, self.decisions)


# The designs of the finding: reviews beside audits at 5 %, at 2 %, with rare errors, active picks, two audit rates.
DESIGNS: dict[str, tuple[Way, ...]] = {
    **{
        f"{size} decisions, 40 % audited at 5 %": (
            Way(round(0.6 * size), 1.0, 0.25),
            Way(round(0.4 * size), 0.05, 0.03),
        )
        for size in (200, 500, 1000, 3000, 10_000)
    },
    "500 reviewed, 4,000 audited at 5 %, 1 % wrong": (Way(500, 1.0, 0.25), Way(4000, 0.05, 0.01)),
    "500 reviewed, 9,500 audited at 2 %, .5 % wrong": (Way(500, 1.0, 0.2), Way(9500, 0.02, 0.005)),
    "active picks: π .5 and .05": (Way(2000, 0.5, 0.2), Way(8000, 0.05, 0.01)),
    "active picks: π .52 and .02": (Way(500, 0.52, 0.3), Way(20_000, 0.02, 0.005)),
    "two audit rates: π .3 and .05": (Way(1000, 0.3, 0.2), Way(3000, 0.05, 0.01)),
    "a claim: 400 reviewed, 2,000 audited at 5 %": (Way(400, 1.0, 0.06), Way(2000, 0.05, 0.015)),
}


def coverage(runs: int, ways: tuple[Way, ...], target: Target, seed: int = 1) -> Measured:
    """THESE: the same decisions in every run with other coins. PROCESS: other decisions too."""
    rng = np.random.default_rng(seed)
    risk = np.concatenate([way.risks() for way in ways])
    pi = np.concatenate([np.full(way.decisions, way.pi) for way in ways])
    wrong = rng.random(len(risk)) < risk
    tally = _Tally()
    for _ in range(runs):
        if target is Target.PROCESS:
            wrong = rng.random(len(risk)) < risk
        seen = rng.random(len(risk)) < pi
        if not seen.any():
            continue
        truth = float(risk.mean() if target is Target.PROCESS else wrong.mean())
        tally.add(_three(wrong, seen, pi, risk, target), truth)
    return tally.measured()


class Order(StrEnum):
    """Which of the chosen decisions people judge while they do not get through all of them."""

    RANDOM = "at random"
    DOUBTFUL = "the doubtful first"
    EASY = "the easy first"


# Errors grow with doubt on each way: fourfold among reviews, from nothing among audits.
OPEN_WORK = (Way(600, 1.0, (0.1, 0.4)), Way(3000, 0.05, (0.0, 0.06)))


def unanswered(runs: int, answered: float, order: Order, ways: tuple[Way, ...] = OPEN_WORK, seed: int = 2) -> Measured:
    """Of these decisions, where only a share of what was chosen on each way is answered; or the share of runs in which
    nothing is said."""
    rng = np.random.default_rng(seed)
    risk = np.concatenate([way.risks() for way in ways])
    pi = np.concatenate([np.full(way.decisions, way.pi) for way in ways])
    of_way = np.repeat(np.arange(len(ways)), [way.decisions for way in ways])
    tally = _Tally()
    for _ in range(runs):
        wrong = rng.random(len(risk)) < risk
        chosen = rng.random(len(risk)) < pi
        urgency = {Order.RANDOM: rng.random(len(risk)), Order.DOUBTFUL: -risk, Order.EASY: risk}[order]
        judged = np.zeros(len(risk), dtype=bool)
        shares = np.ones(len(risk))
        for way in range(len(ways)):
            waiting = np.flatnonzero(chosen & (of_way == way))
            first = waiting[np.argsort(urgency[waiting])][: max(1, round(answered * len(waiting)))]
            judged[first] = True
            shares[of_way == way] = len(first) / len(waiting)
        try:
            tally.add(_three(wrong, judged, pi, risk, Target.THESE, shares), float(wrong.mean()))
        except InsufficientDataError:
            tally.refuse()
    return tally.measured()


def a_day(runs: int, ways: tuple[Way, ...] = (Way(60, 1.0, 0.25), Way(40, 0.05, 0.03)), seed: int = 3) -> Measured:
    """As the view of a day has it, from the verdicts alone: of all decisions on days with an audit, of the reviewed
    ones on days without, of which it says that it speaks of these."""
    rng = np.random.default_rng(seed)
    risk = np.concatenate([way.risks() for way in ways])
    pi = np.concatenate([np.full(way.decisions, way.pi) for way in ways])
    audited, not_audited = _Tally(), _Tally()
    for _ in range(runs):
        wrong = rng.random(len(risk)) < risk
        seen = rng.random(len(risk)) < pi
        estimate = hajek(wrong[seen], np.ones(seen.sum()), pi[seen])
        if (seen & (pi < 1)).any():
            audited.add([estimate], float(wrong.mean()))
        else:
            not_audited.add([estimate], float(wrong[pi == 1].mean()))
    return {
        "days with an audit": audited.measured()["Hájek"],
        "days without": not_audited.measured()["Hájek"],
        "share of days without": not_audited.runs / runs,
    }


def _three(
    wrong: Bools, seen: Bools, pi: Floats, risk: Floats, target: Target, answered: Floats | None = None
) -> Iterable[Estimate]:
    return (
        horvitz_thompson(wrong, seen, pi, target, answered=answered),
        hajek(wrong, seen, pi, target, answered=answered),
        aipw(wrong, seen, pi, risk, target, answered=answered),
    )


class _Tally:
    """How often intervals held the truth."""

    def __init__(self) -> None:
        self.runs = 0
        self._unsaid = 0
        self._held: dict[str, list[float]] = {}

    def add(self, estimates: Iterable[Estimate], truth: float) -> None:
        self.runs += 1
        for estimate in estimates:
            counts = self._held.setdefault(estimate.method, [0.0, 0.0, 0.0])
            counts[0] += estimate.low <= truth <= estimate.high
            counts[1] += estimate.high < truth
            counts[2] += estimate.high - estimate.low

    def refuse(self) -> None:
        self.runs += 1
        self._unsaid += 1

    def measured(self) -> Measured:
        said = self.runs - self._unsaid
        shown = {"nothing said": self._unsaid / self.runs}
        for method, counts in self._held.items():
            for name, count in zip((method, f"{method} too low", f"{method} width"), counts, strict=True):
                shown[name] = count / said
        return shown


_METHODS = ("Horvitz–Thompson", "Hájek", "AIPW")

# Coverage of Horvitz–Thompson, Hájek and AIPW when the few cases of all strata were counted together (400 runs).
_BEFORE: dict[tuple[str, Target], tuple[float, float, float]] = {
    ("200 decisions, 40 % audited at 5 %", Target.PROCESS): (0.892, 0.88, 0.895),
    ("500 decisions, 40 % audited at 5 %", Target.PROCESS): (0.925, 0.935, 0.943),
    ("1000 decisions, 40 % audited at 5 %", Target.PROCESS): (0.9, 0.945, 0.905),
    ("500 reviewed, 4,000 audited at 5 %, 1 % wrong", Target.PROCESS): (0.88, 0.89, 0.882),
    ("500 reviewed, 9,500 audited at 2 %, .5 % wrong", Target.PROCESS): (0.637, 0.657, 0.637),
    ("active picks: π .5 and .05", Target.THESE): (0.91, 0.935, 0.907),
    ("active picks: π .5 and .05", Target.PROCESS): (0.93, 0.94, 0.927),
    ("active picks: π .52 and .02", Target.THESE): (0.823, 0.825, 0.825),
    ("active picks: π .52 and .02", Target.PROCESS): (0.88, 0.88, 0.882),
    ("two audit rates: π .3 and .05", Target.THESE): (0.907, 0.915, 0.91),
    ("two audit rates: π .3 and .05", Target.PROCESS): (0.922, 0.915, 0.925),
    ("a claim: 400 reviewed, 2,000 audited at 5 %", Target.PROCESS): (0.787, 0.787, 0.787),
}


def _promises(before: tuple[float | None, ...] = (None, None, None)) -> tuple[Promise, ...]:
    return tuple(
        promise
        for method, earlier in zip(_METHODS, before, strict=True)
        for promise in (Promise(method, at_least=0.93, before=earlier), Promise(f"{method} too low", at_most=0.04))
    )


GATES = {
    f"{name}, of {'these' if target is Target.THESE else 'the process'}": Gate(
        partial(coverage, ways=ways, target=target), 1000, _promises(_BEFORE.get((name, target), (None, None, None)))
    )
    for name, ways in DESIGNS.items()
    for target in (Target.THESE, Target.PROCESS)
} | {
    f"{answered:.0%} answered, {order}": Gate(
        partial(unanswered, answered=answered, order=order),
        600,
        # Of 30 % nothing is to be said.
        _promises() if answered > MIN_SHOWN else (Promise("nothing said", at_least=1.0),),
    )
    for answered in (0.98, 0.9, 0.6, 0.3)
    for order in Order
}
GATES["a day of 60 reviewed and 40 audited at 5 %"] = Gate(
    a_day, 4000, (Promise("days with an audit", at_least=0.93), Promise("days without", at_least=0.93))
)
