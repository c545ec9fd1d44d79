"""How far a share or a median of some runs may be from a published one by chance alone."""

import math


def share_margin(share: float, runs: int, published: float, published_runs: int) -> float:
    """Three standard errors of the difference of two shares that are samples of the same."""
    pooled = (share * runs + published * published_runs + 1) / (runs + published_runs + 2)
    return 3 * math.sqrt(pooled * (1 - pooled) * (1 / runs + 1 / published_runs))


def median_margin(error: float, runs: int, published_runs: int = 100) -> float:
    """Three standard errors of the difference of two medians; `error`: standard error of a median of 100 runs."""
    return 3 * error * math.sqrt(100 / runs + 100 / published_runs)
