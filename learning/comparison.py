"""Champion and challenger on the same cases: what each does, and by how much they differ."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from interlock.learning.arrays import binary, effective_size, open_unit, probabilities, propensities
from interlock.learning.estimates import Target, hajek


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Shares of all such cases: of the champion (`old`), of the challenger (`new`), and the second minus the first."""

    old: Interval
    new: Interval
    difference: Interval


def compare(old: ArrayLike, new: ArrayLike, propensity: ArrayLike, alpha: float = 0.05) -> Comparison:
    """`old`, `new` (n,) 0/1: whether each model has the property, on the n cases looked at; `propensity` (n,): their π.

    Shares are Hájek estimates for all cases that these were selected from with probability π; ones where nothing was
    selected. Refuses no cases at all and π outside (0, 1].
    """
    a = probabilities(old, "old")
    pi = propensities(propensity, a)
    seen = np.ones(len(a))
    shares = [hajek(y, seen, pi, Target.PROCESS, alpha) for y in (binary(a, a, "old"), binary(new, a, "new"))]
    champion, challenger = (Interval(share.value, share.low, share.high) for share in shares)
    return Comparison(champion, challenger, difference(old, new, propensity, alpha))


def difference(old: ArrayLike, new: ArrayLike, propensity: ArrayLike, alpha: float = 0.05) -> Interval:
    """Share of `new` minus share of `old`, paired; arguments as in `compare`.

    The interval covers two that fail in different places: that of the linearised weighted mean, which is a point where
    no case differs, and the adjusted Wald interval for paired shares (Bonett and Price 2012) at the effective size,
    which does not know which cases carry the weight.
    """
    a = probabilities(old, "old")
    w = 1 / propensities(propensity, a)
    d = binary(new, a, "new") - binary(a, a, "old")
    z = float(-ndtri(open_unit(alpha, "alpha") / 2))
    value = float(np.average(d, weights=w))
    linear = z * float(np.sqrt((w**2 * (d - value) ** 2).sum())) / w.sum()
    n = effective_size(w)
    more, less = (
        (n * float(np.average(d == sign, weights=w)) + 1) / (n + 2)  # one imagined case that differs either way
        for sign in (1, -1)
    )
    centre = more - less
    adjusted = z * float(np.sqrt((more + less - centre**2) / (n + 2)))
    low, high = min(value - linear, centre - adjusted), max(value + linear, centre + adjusted)
    return Interval(value, float(max(-1.0, low)), float(min(1.0, high)))
