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
    """Shares of all such cases: of the champion, of the challenger, and the second minus the first."""

    champion: Interval
    challenger: Interval
    difference: Interval


def compare(champion: ArrayLike, challenger: ArrayLike, propensity: ArrayLike, alpha: float = 0.05) -> Comparison:
    """`champion`, `challenger` (n,) 0/1: whether each model has the property, on the n cases looked at; `propensity`
    (n,): their π.

    Shares are Hájek estimates for all cases that these were selected from with probability π; ones where nothing was
    selected. Refuses no cases at all and π outside (0, 1].
    """
    a = probabilities(champion, "champion")
    pi = propensities(propensity, a)
    seen = np.ones(len(a))
    a_share, b_share = (
        Interval(share.value, share.low, share.high)
        for share in (
            hajek(y, seen, pi, Target.PROCESS, alpha)
            for y in (binary(a, a, "champion"), binary(challenger, a, "challenger"))
        )
    )
    return Comparison(a_share, b_share, difference(champion, challenger, propensity, alpha))


def difference(champion: ArrayLike, challenger: ArrayLike, propensity: ArrayLike, alpha: float = 0.05) -> Interval:
    """Share of the challenger minus share of the champion, paired; arguments as in `compare`.

    The interval covers two that fail in different places: that of the linearised weighted mean, which is a point where
    no case differs, and the adjusted Wald interval for paired shares (Bonett and Price 2012) at the effective size,
    which does not know which cases carry the weight.
    """
    a = probabilities(champion, "champion")
    w = 1 / propensities(propensity, a)
    d = binary(challenger, a, "challenger") - binary(a, a, "champion")
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
