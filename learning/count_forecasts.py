"""How many will come in an hour, and in a period, from the counts of past hours.

Counts vary more than Poisson's law says where their cause varies too. Their variance is m + a m² (negative binomial);
`a` comes from the past hours by moments, and is 0 where they vary as Poisson's law says, or less.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interlock.learning.arrays import Floats

# An expected count needs as many observations: with fewer its own error is larger than what it tells.
MIN_OBSERVATIONS = 4

_DAY, _WEEK = 24, 7 * 24


@dataclass(frozen=True, slots=True)
class Band:
    """An expected count, and between which counts it lies with the probability asked for."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CountForecast:
    """`hours`: the band of every hour of a cycle, whose first hour is that of the first count: a week, a day, or a
    single one for all hours alike. `total`: the band of all hours together in a period as long as the past one."""

    hours: tuple[Band, ...]
    total: Band


def forecast(counts: Sequence[float], alpha: float = 0.05) -> CountForecast:
    """From the counts of consecutive hours, at least one; expected counts may be fractions.

    The cycle is the longest of a week and a day that the counts hold four times, else there is none.
    """
    y = np.asarray(counts, dtype=float)
    cycle = next((length for length in (_WEEK, _DAY) if len(y) >= MIN_OBSERVATIONS * length), 1)
    place = np.arange(len(y)) % cycle
    seen = np.bincount(place, minlength=cycle)
    means = np.bincount(place, weights=y, minlength=cycle) / seen
    expected = means[place]
    a = _overdispersion(y, expected, lost=cycle)
    variance = means + a * means**2
    hours = tuple(
        _band(float(mean), float(own + own / count), alpha)
        for mean, own, count in zip(means, variance, seen, strict=True)
    )
    # The next period varies as the past one did, from which its mean comes.
    sum_variance = max(float((expected + a * expected**2).sum()), _variance_of_days(y))
    return CountForecast(hours, _band(float(y.sum()), 2 * sum_variance, alpha))


def _overdispersion(y: Floats, expected: Floats, lost: int) -> float:
    """`a`; `lost`: how many means were fitted."""
    squares = float((expected**2).sum())
    if squares == 0 or len(y) <= lost:
        return 0.0
    spread = float(((y - expected) ** 2).sum()) * len(y) / (len(y) - lost)
    return max(0.0, (spread - float(expected.sum())) / squares)


def _variance_of_days(y: Floats) -> float:
    """Of the sum, by whole days: hours of one day go up and down together."""
    days = len(y) // _DAY
    if days < MIN_OBSERVATIONS:
        return 0.0
    return float(y[: days * _DAY].reshape(days, _DAY).sum(axis=1).var(ddof=1)) * len(y) / _DAY


def _band(mean: float, variance: float, alpha: float) -> Band:
    from scipy.stats import nbinom, poisson

    if mean == 0:
        return Band(0.0, 0.0, 0.0)
    ends = (alpha / 2, 1 - alpha / 2)
    if variance <= mean:
        low, high = poisson.ppf(ends, mean)
    else:
        low, high = nbinom.ppf(ends, mean**2 / (variance - mean), mean / variance)
    return Band(mean, float(low), float(high))
