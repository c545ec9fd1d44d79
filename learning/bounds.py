"""Intervals for a share: at a sample size fixed in advance, and valid at every look.

The first two hold for one look at n cases. Checked after every case, they miss the truth sooner or later (42 % within
2,000 cases at 95 %): code that watches a stream uses `anytime`, or `learning/betting.py` where cases are weighted.
"""

from typing import Any, overload

import numpy as np
from scipy.special import betaincinv, betaln, ndtri, xlog1py, xlogy

from interlock.learning.arrays import Floats, open_unit
from interlock.learning.insufficient_data import InsufficientDataError, Reason


def clopper_pearson(successes: float, trials: float, alpha: float = 0.05) -> tuple[float, float]:
    """Exact (conservative) interval at level 1 − alpha; no trials: (0, 1). Counts may be effective, not whole."""
    _check(successes, trials, alpha)
    failures = trials - successes
    low = float(betaincinv(successes, failures + 1, alpha / 2)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - alpha / 2)) if failures > 0 else 1.0
    return low, high


def wilson(successes: float, trials: float, alpha: float = 0.05) -> tuple[float, float]:
    """Score interval (Wilson 1927), near its level on average for small n too; no trials: (0, 1)."""
    _check(successes, trials, alpha)
    if trials == 0:
        return 0.0, 1.0
    z2 = float(-ndtri(alpha / 2)) ** 2
    share = successes / trials
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    # At 0 and at all the ends are exactly 0 and 1; rounding must not move them past the share.
    return float(max(0.0, min(centre - half, share))), float(min(1.0, max(centre + half, share)))


def anytime(successes: int, trials: int, alpha: float = 0.05) -> tuple[float, float]:
    """Confidence sequence for independent cases of one share: all looks hold together at level 1 − alpha.

    {p : evidence against p < 1/alpha} with `evidence` below (Ville's inequality; Robbins 1970). No trials: (0, 1).
    """
    from scipy.optimize import brentq

    _check(successes, trials, alpha)
    share = successes / trials if trials else 0.5

    def excess(p: float) -> float:
        return float(evidence(successes, trials, p) + np.log(alpha))

    # Below `share` the evidence falls from infinity (to 0 successes: from where it is), above it rises again.
    low = brentq(excess, np.finfo(float).tiny, share) if successes > 0 else 0.0
    high = 1.0
    if successes < trials and excess(1 - np.finfo(float).epsneg) > 0:
        high = brentq(excess, share, 1 - np.finfo(float).epsneg)
    return float(low), float(high)


@overload
def evidence(successes: float, trials: float, p: float) -> float: ...
@overload
def evidence(successes: Floats, trials: Floats, p: float) -> Floats: ...
def evidence(successes: Any, trials: Any, p: float) -> Any:
    """Logarithm of the uniform mixture of likelihoods over that of p: B(1 + S, 1 + t − S) / (pˢ (1 − p)ᵗ⁻ˢ).

    Its exponential is a martingale of mean 1 if p is the truth, so it ever reaches 1/alpha with probability ≤ alpha.
    """
    failures = trials - successes
    log = betaln(1 + successes, 1 + failures) - xlogy(successes, p) - xlog1py(failures, -p)
    return np.asarray(log) if np.ndim(log) else float(log)


def _check(successes: float, trials: float, alpha: float) -> None:
    open_unit(alpha, "alpha")
    if not 0 <= successes <= trials < np.inf:
        raise InsufficientDataError(Reason.BAD_PARAMETER, f"{successes} successes in {trials} trials are not possible")
