"""Conclusions from many p-values at once."""

import numpy as np

from interlock.learning.arrays import Floats


def holm(p: Floats) -> Floats:
    """p-values corrected so that all conclusions together are wrong with probability ≤ the level (Holm 1979)."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted
