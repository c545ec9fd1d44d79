"""Scores of forecasts and what they are made of: Brier, Murphy, CORP, Spiegelhalter.

`confidence` (n,) in [0, 1]; `correct` (n,) 0/1. All are means over the labels given, without correction for selection.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from interlock.learning.arrays import binary, probabilities
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.learning.venn_abers import isotonic


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Brier = miscalibration − discrimination + uncertainty; uncertainty is that of the base rate."""

    miscalibration: float
    discrimination: float
    uncertainty: float

    @property
    def brier(self) -> float:
        return self.miscalibration - self.discrimination + self.uncertainty


@dataclass(frozen=True, slots=True)
class Spiegelhalter:
    """`z` is standard normal for a calibrated model; above 0: worse than it claims. `p`: two-sided."""

    z: float
    p: float


def brier(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean (p − y)²; 0 is perfect, .25 is always saying one half."""
    f = probabilities(confidence)
    return float(((f - binary(correct, f)) ** 2).mean())


def murphy(confidence: ArrayLike, correct: ArrayLike) -> Decomposition:
    """Murphy's reliability, resolution and uncertainty (1973), by distinct confidence.

    For forecasts that repeat. Where every confidence is distinct the parts are trivial and noise counts as
    resolution: use `corp`.
    """
    f = probabilities(confidence)
    y = binary(correct, f)
    values, index, count = np.unique(f, return_inverse=True, return_counts=True)
    hits = np.bincount(index, y) / count
    base = y.mean()
    return Decomposition(
        float(np.average((hits - values) ** 2, weights=count)),
        float(np.average((hits - base) ** 2, weights=count)),
        float(base * (1 - base)),
    )


def corp(confidence: ArrayLike, correct: ArrayLike) -> Decomposition:
    """Parts of the Brier score by isotonic recalibration, none negative (Dimitriadis, Gneiting, Jordan, PNAS 2021)."""
    f = probabilities(confidence)
    y = binary(correct, f)
    recalibrated = brier(np.clip(isotonic(f, y, f), 0, 1), y)
    base = y.mean()
    uncertainty = float(base * (1 - base))
    return Decomposition(brier(f, y) - recalibrated, uncertainty - recalibrated, uncertainty)


def spiegelhalter(confidence: ArrayLike, correct: ArrayLike) -> Spiegelhalter:
    """Test of calibration (Spiegelhalter 1986): Σ(y − p)(1 − 2p) / √Σ(1 − 2p)² p(1 − p).

    The normal law is near from some 30 labels. Refuses where every confidence is 0, ½ or 1, which it cannot judge.
    """
    f = probabilities(confidence)
    y = binary(correct, f)
    variance = ((1 - 2 * f) ** 2 * f * (1 - f)).sum()
    if variance == 0:
        raise InsufficientDataError(
            Reason.NO_VARIANCE, "every confidence is 0, ½ or 1: Spiegelhalter's test cannot judge them"
        )
    z = float(((y - f) * (1 - 2 * f)).sum() / np.sqrt(variance))
    return Spiegelhalter(z, float(2 * ndtr(-abs(z))))
