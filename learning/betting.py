"""Confidence sequences by betting (Waudby-Smith and Ramdas, JRSS B 2024, 2010.09686): weighted, valid at every look.

A gambler bets against the claim "the mean is m" with stakes chosen from the past alone. If the claim is true, the
capital is a martingale that ever reaches 1/alpha with probability ≤ alpha; claims under which it did are excluded for
good.

`values` (n,) in [0, 1], in the order of the stream. `weights` (n,) in (0, 1]: π_min/π for outcomes seen with
probability π ≥ π_min, π_min known beforehand (the audit rate of the policy, not the smallest π seen); None: ones. Cases
that were not selected need not be given: the capital is multiplied by 1 for them. The interval is for the mean over all
cases, selected or not, if given the past E[w(x − mean)] = 0; that fails where the order of outcomes depends on them
(overrides that take longer to decide), or where the mean moves.
"""

import numpy as np
from numpy.typing import ArrayLike

from interlock.learning.arrays import Floats, open_unit, positive, probabilities
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Share of the capital that one case may take at most: the reference implementation's value.
_MAX_STAKE = 0.5

# Precision of a bound; bounds are moved outwards by it.
_TOLERANCE = 1e-9


def interval(values: ArrayLike, weights: ArrayLike | None = None, alpha: float = 0.05) -> tuple[float, float]:
    """Both bounds at level 1 − alpha, over all looks so far; refuses where no mean is left because it has moved."""
    x = probabilities(values, "values")
    low = lower(x, weights, alpha / 2)
    high = 1 - lower(1 - x, weights, alpha / 2)
    if low > high:
        raise InsufficientDataError(
            Reason.MEAN_CHANGED, "no single mean explains the whole stream: it changed; start a new one"
        )
    return low, high


def lower(values: ArrayLike, weights: ArrayLike | None = None, alpha: float = 0.05) -> float:
    """One-sided bound: the greatest mean that was excluded as too small, 0 if none was.

    Also valid as a test where the mean moves: "at no time above m" is rejected wrongly with probability ≤ alpha.
    """
    from scipy.optimize import brentq

    threshold = -np.log(open_unit(alpha, "alpha"))
    x = probabilities(values, "values")
    w = stakes(weights, x)

    def excess(mean: float) -> float:
        return float(log_capital(x, w, mean, alpha).max() - threshold)

    # Capital falls as the claimed mean grows; against 1 nothing can be won.
    if excess(0.0) <= 0:
        return 0.0
    return max(0.0, float(brentq(excess, 0.0, 1.0, xtol=_TOLERANCE)) - _TOLERANCE)


def log_capital(values: Floats, weights: Floats, mean: float, alpha: float) -> Floats:
    """Logarithm of the capital after each case, from bets that the mean is greater; tuned to reach 1/alpha soon.

    Stakes are those of the predictable plug-in: √(2 log(1/alpha) / (σ² t log(1 + t))), with the mean and variance of
    the cases before, and a first case ½ of variance ¼.
    """
    t = np.arange(1, len(values) + 1)
    running = (0.5 + np.cumsum(weights * values)) / (1 + np.cumsum(weights))
    variance = (0.25 + np.cumsum((weights * (values - running)) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    bets = np.sqrt(2 * np.log(1 / alpha) / (before * t * np.log1p(t)))
    if mean > 0:
        bets = np.minimum(bets, _MAX_STAKE / mean)
    return np.asarray(np.cumsum(np.log1p(bets * weights * (values - mean))))


def stakes(weights: ArrayLike | None, like: Floats) -> Floats:
    """Weights in (0, 1]; refuses others, under which capital could fall below 0."""
    w = positive(weights, like)
    if w.max() > 1:
        raise InsufficientDataError(
            Reason.BAD_WEIGHT, f"weight {w.max()} is above 1: scale 1/π by the smallest π that can occur"
        )
    return w
