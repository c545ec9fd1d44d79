"""Simulations that test what certificates promise where people miss errors, or change right answers.

The population is the employment example: real scores and labels. A lane "not employed" at 0.95 with audits at 5 %; the
rest waits for people. Gold items show wrong and right answers from the same population, before the reviews; or two
people have judged some of what waits for people independently, and a third where they differ.
"""

from dataclasses import dataclass, replace

import numpy as np

from bench.gates.certification import population
from bench.gates.gate import Gate, Promise
from interlock.demo import survey
from interlock.learning.arrays import Bools, Floats
from interlock.learning.bounds import anytime
from interlock.learning.double_reviews import PairCounts, false_alarms, sensitivity
from interlock.learning.reviewer_errors import RISK_SHARE, GoldItems, Visible, visible
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.ladder import terms
from interlock.processors.proposals.thresholds import ThresholdEvidence

ALPHA, DELTA = 0.05, 0.10

# From here on decisions take effect by themselves.
AUTO = 0.95

# What is hard is found by less than one in three.
HARD_FOUND = 0.3


@dataclass(frozen=True)
class People:
    """Shares of errors that are found and of right answers that are changed; gold items of either kind, of whose
    errors `gold_found` are found (None: as of others), and `doubles`, decisions that two judged. `hard`: share of
    errors that one person finds with a probability of HARD_FOUND only; the others are found so much more often that
    `found` is the share in all. `third`: how good who decides is, from 0, as one person alone, to 1, never wrong."""

    found: float
    changed: float = 0.0
    gold_wrong: int = 200
    gold_right: int = 400
    gold_found: float | None = None
    doubles: int = 0
    hard: float = 0.0
    third: float = 0.5

    @property
    def easy_found(self) -> float:
        """The share of other than hard errors that is found."""
        return (self.found - self.hard * HARD_FOUND) / (1 - self.hard)

    def gold(self, rng: np.random.Generator) -> GoldItems:
        return GoldItems(
            self.gold_wrong,
            int(rng.binomial(self.gold_wrong, self.found if self.gold_found is None else self.gold_found)),
            self.gold_right,
            int(rng.binomial(self.gold_right, 1 - self.changed)),
        )

    def pairs(self, rng: np.random.Generator, error: float) -> PairCounts:
        """What two people find in decisions of which the share `error` is wrong."""
        wrong = rng.random(self.doubles) < error
        finds = np.where(rng.random(self.doubles) < self.hard, HARD_FOUND, self.easy_found)
        changed = (rng.random((2, self.doubles)) < np.where(wrong, finds, self.changed)).sum(axis=0)
        finds_third = finds + self.third * (1 - finds)
        upheld = rng.random(self.doubles) < np.where(wrong, finds_third, (1 - self.third) * self.changed)
        one = changed == 1
        return PairCounts(
            int((changed == 2).sum()), int((one & upheld).sum()), int((one & ~upheld).sum()), int((changed == 0).sum())
        )


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
    waiting = float((~correct[raw < AUTO]).mean())
    errors = []
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        items, pairs = people.gold(rng), people.pairs(rng, waiting)
        seen = visible(ALPHA, items, RISK_SHARE * DELTA, typical=typical, pairs=pairs) if corrected else None
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
    pi = np.where(raw[rows] >= AUTO, rate, 1.0)
    reviewed = rng.random(decisions) < pi
    rows, pi = rows[reviewed], pi[reviewed]
    chance = rng.random(len(rows))
    confirmed = np.where(correct[rows], chance >= people.changed, chance >= people.found)
    evidence = ThresholdEvidence(ALPHA, DELTA, typical=typical)
    certified = None
    for number, (row, propensity, right) in enumerate(zip(rows, pi, confirmed, strict=True)):
        evidence.add(_example(number, float(raw[row]), float(propensity), right=bool(right)))
        if number % 100 == 99 and (proof := evidence.proof(terms(ALPHA, DELTA, seen))) is not None:
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


def doubles(runs: int) -> dict[str, Certified]:
    """People of whom double reviews tell, alone or beside gold items that are easier than other decisions."""
    few = People(0.7, gold_wrong=0, gold_right=0, doubles=1_000)
    easy = People(0.7, gold_found=0.95)
    return {
        "miss 30 %": certificates(runs, few),
        "miss 30 %, the third as well": certificates(runs, replace(few, third=0.0)),
        "miss 30 %, the third never errs": certificates(runs, replace(few, third=1.0)),
        "miss 50 %": certificates(runs, replace(few, found=0.5)),
        "miss 10 %": certificates(runs, replace(few, found=0.9)),
        "miss 30 %, a fifth is hard": certificates(runs, replace(few, hard=0.2)),
        # What double reviews cannot see: no promise, but it is to be known how far off it is.
        "miss 30 %, two fifths are hard": certificates(runs, replace(few, hard=0.4)),
        "miss 30 %, two fifths are hard, 10,000 double reviews": certificates(
            runs, replace(few, hard=0.4, doubles=10_000)
        ),
        "miss 30 %, taken as the truth": certificates(runs, few, corrected=False),
        "miss 30 %, easy gold items": certificates(runs, easy),
        "miss 30 %, easy gold items and double reviews": certificates(runs, replace(easy, doubles=1_000)),
    }


@dataclass(frozen=True)
class Covered:
    """How often the intervals of what is found, and of what is changed, hold the truth; how often what is found is
    less than the lower end at some look, where a tenth is allowed."""

    found: float
    changed: float
    broken: float


def shares(runs: int) -> dict[str, Covered]:
    """What double reviews say of people: 2,000 decisions of which one in ten is wrong."""
    people = {
        f"find {found:.0%}, change {changed:.0%}, {who}": People(found, changed, doubles=2_000, third=third)
        for found in (0.7, 0.9)
        for changed in (0.01, 0.05)
        for who, third in (("the third errs half as often", 0.5), ("the third never errs", 1.0))
    }
    return {name: _covered(runs, one) for name, one in people.items()}


def _covered(runs: int, people: People) -> Covered:
    found, changed, broken = [], [], []
    looks = 10
    part = replace(people, doubles=people.doubles // looks)
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        total, ends = PairCounts(), []
        for _ in range(looks):
            new = part.pairs(rng, 0.1)
            total = PairCounts(
                total.both + new.both, total.one + new.one, total.alarms + new.alarms, total.neither + new.neither
            )
            ends.append(sensitivity(total, 0.1, anytime).low)
        finds, changes = sensitivity(total), false_alarms(total)
        found.append(finds.low <= people.found <= finds.high)
        changed.append(changes.low <= people.changed <= changes.high)
        broken.append(max(ends) > people.found)
    return Covered(float(np.mean(found)), float(np.mean(changed)), float(np.mean(broken)))


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
    "reviewers of whom double reviews tell": Gate(
        doubles,
        40,
        (
            Promise("miss 30 % violated", at_most=DELTA, before=1.0),
            Promise("miss 30 %, the third as well violated", at_most=DELTA, before=1.0),
            Promise("miss 30 %, the third never errs violated", at_most=DELTA, before=1.0),
            Promise("miss 50 % violated", at_most=DELTA, before=1.0),
            Promise("miss 10 % violated", at_most=DELTA),
            Promise("miss 30 %, easy gold items and double reviews violated", at_most=DELTA),
        ),
        quick=1,
    ),
    "what double reviews say of reviewers": Gate(
        shares,
        400,
        tuple(
            promise
            for found in (70, 90)
            for changed in (1, 5)
            for third in ("errs half as often", "never errs")
            for name in [f"find {found}%, change {changed}%, the third {third}"]
            for promise in (
                Promise(f"{name} found", at_least=0.93),
                Promise(f"{name} changed", at_least=0.93),
                Promise(f"{name} broken", at_most=0.1),
            )
        ),
    ),
}
