"""Whether a rule treats groups of people alike: errors, shares and impact ratios by group, from reviewed decisions.

Rates are Hájek's, weighted by 1/π, of all decisions like these. Intervals are at 95 % for one group; of many groups
some stand out by chance. The impact ratio is a group's share over that of the group with the largest one: below
FOUR_FIFTHS it is taken for evidence of adverse impact (Uniform Guidelines on Employee Selection, 29 CFR 1607.4 D).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import hypot

import numpy as np
from scipy.special import ndtri

from interlock.learning.arrays import Bools, Floats, propensities
from interlock.learning.strata import Stratum

FOUR_FIFTHS = 0.8

# With 30 verdicts of which none is wrong, up to a ninth may be wrong (Clopper–Pearson): with fewer nothing is said.
MIN_VERDICTS = 30


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Group:
    """How a rule treats one group. `size`: its estimated share of all decisions, from `reviewed` of them. `verdicts`:
    those that the rule covers, `errors` of them wrong.

    `error`: of what the rule covers; None with fewer than MIN_VERDICTS. `covered`: the share of the group's decisions
    that the rule covers; `favourable`: that of its favourable outcomes, None where outcomes are neither. Ratios are
    None with fewer than MIN_VERDICTS reviewed, or where there is nothing to compare with.
    """

    name: str
    size: float
    reviewed: int
    verdicts: int
    errors: int
    error: Share | None
    covered: Share
    covered_ratio: float | None
    favourable: Share | None
    favourable_ratio: float | None


def by_group(
    names: Sequence[str], covered: Bools, wrong: Bools, favourable: Bools | None, propensity: Floats
) -> list[Group]:
    """One `Group` for each of `names`, the worst first: those whose error is high beyond doubt (by the lower end of its
    interval), and those with too few verdicts last, by their number.

    One element for each *reviewed* decision. `wrong`: people decided for another outcome; `favourable`: the outcome, if
    the rule were in force, is good for the person concerned. Refuses π that is 0 or missing.
    """
    if not len(names):
        return []
    pi = propensities(propensity, np.ones(len(names)))
    places = np.asarray(names, dtype=object)
    whole = float((1 / pi).sum())
    found = []
    for name in sorted(set(names)):
        mine = places == name
        inside = mine & covered
        verdicts = int(inside.sum())
        found.append(
            Group(
                name,
                float((1 / pi[mine]).sum()) / whole,
                int(mine.sum()),
                verdicts,
                int((wrong & inside).sum()),
                share(wrong[inside], pi[inside]) if verdicts >= MIN_VERDICTS else None,
                share(covered[mine], pi[mine]),
                None,
                None if favourable is None else share(favourable[mine], pi[mine]),
                None,
            )
        )
    return sorted(_compared(found), key=_badness)


def share(hits: Bools, pi: Floats, alpha: float = 0.05) -> Share:
    """The share of `hits`, of all decisions like these. One stratum for each factor of two in π: in each the interval
    of few cases, together by MOVER, with the chance in how many decisions came to each stratum."""
    strata = [
        Stratum(float(w.sum()), len(w), float(w.sum()), float((w**2).sum()), float(w[hit].sum()))
        for w, hit in _classes(1 / pi, hits)
    ]
    return combined(strata, alpha)


def combined(strata: Iterable[Stratum], alpha: float = 0.05) -> Share:
    """The share over strata whose populations came by chance as well: those of decisions like these."""
    every = [stratum for stratum in strata if stratum.judged and stratum.weight > 0]
    population = sum(stratum.population for stratum in every)
    value = sum(stratum.expected for stratum in every) / population
    z = float(-ndtri(alpha / 2))
    below = above = 0.0
    for stratum in every:
        part = stratum.population / population
        low, high = stratum.process_ends(alpha)
        mixing = z * part * abs(stratum.rate - value) * stratum.squares**0.5 / stratum.weight
        below = hypot(below, part * (stratum.rate - low), mixing)
        above = hypot(above, part * (high - stratum.rate), mixing)
    return Share(value, max(0.0, value - below), min(1.0, value + above))


def _classes(weights: Floats, hits: Bools) -> list[tuple[Floats, Bools]]:
    classes = np.floor(np.log2(weights) + 1e-9)
    return [(weights[classes == one], hits[classes == one]) for one in np.unique(classes)]


def _compared(groups: Sequence[Group]) -> list[Group]:
    enough = [group for group in groups if group.reviewed >= MIN_VERDICTS]
    most = max((group.covered.value for group in enough), default=0.0)
    best = max((group.favourable.value for group in enough if group.favourable), default=0.0)
    return [
        replace(
            group,
            covered_ratio=group.covered.value / most if most else None,
            favourable_ratio=group.favourable.value / best if group.favourable and best else None,
        )
        if group.reviewed >= MIN_VERDICTS
        else group
        for group in groups
    ]


def _badness(group: Group) -> tuple[bool, float, float, int, str]:
    if group.error is None:
        return True, 0.0, 0.0, -group.verdicts, group.name
    return False, -group.error.low, -group.error.value, -group.verdicts, group.name
