"""How far confidence is from the share that was right: bins, ECE and its noise, debiased and smooth ECE.

`confidence` (n,) in [0, 1]; `correct` (n,) 0/1. Choose recalibrations by log-loss, report these. Labels of reviewed
decisions describe the reviewed ones; `weights` (n,) 1/π make them describe all.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import dct, idct
from scipy.special import betainc, rel_entr

from interlock.learning.arrays import Floats, binary, effective_size, open_unit, positive, probabilities
from interlock.learning.bounds import wilson
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Quotients, so that 0.3 opens the bin [0.3, 0.4): steps of 0.1 would add up to 0.30000000000000004.
TENTHS = np.arange(11) / 10

# A gap between confidence and accuracy that is worth reporting.
GAP = 0.1

# The level at which a calibrated model is ruled out before a gap is a warning: 500 verdicts, which a bin of a report
# holds of each way to a person, just suffice for a gap of GAP at a confidence of one half. Nearer to 1 fewer do.
CERTAIN = 4e-5

# Cells of the smoothed residuals, and the narrowest bandwidth tried: eight cells, so that cells do not show.
_CELLS = 8192
_NARROWEST = 8 / _CELLS


class Notice(StrEnum):
    """WARNING: the gap exceeds what is allowed, and a calibrated model would hardly ever show it. HINT: the gap exceeds
    it, but chance may explain it. FEW: it does not, but so few labels could hardly show it."""

    NONE = ""
    FEW = "few"
    HINT = "hint"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Bin:
    """Labels with low ≤ confidence < high (the last bin includes its end); `gap`: accuracy minus mean confidence.

    gap_low ≤ gap ≤ gap_high: Wilson interval of the accuracy, moved by the mean confidence; conservative, as
    confidences within the bin differ. A negative gap is overconfidence. `effective`: labels of equal weight that would
    tell as much.
    """

    low: float
    high: float
    labels: int
    mean_confidence: float
    accuracy: float
    gap_low: float
    gap_high: float
    effective: float

    @property
    def gap(self) -> float:
        return self.accuracy - self.mean_confidence

    def notice(self, allowed: float = GAP) -> Notice:
        """What is to be said about a gap if one of `allowed` is."""
        if abs(self.gap) > allowed:
            return Notice.WARNING if self.chance < CERTAIN else Notice.HINT
        return Notice.FEW if self.effective < self.needed(allowed) else Notice.NONE

    @property
    def chance(self) -> float:
        """How often a model that is right as often as it says would be so far off on this side: the binomial tail."""
        n, right, p = self.effective, self.accuracy * self.effective, self.mean_confidence
        if p in (0.0, 1.0):
            return 1.0 if self.gap == 0 else 0.0
        wrong = n - right
        if self.gap < 0:
            return float(betainc(wrong, right + 1, 1 - p)) if wrong > 0 else 1.0
        return float(betainc(right, wrong + 1, p)) if right > 0 else 1.0

    def needed(self, allowed: float = GAP) -> int:
        """About how many labels of equal weight make a gap of `allowed` certain (Chernoff's bound)."""
        p = min(max(self.mean_confidence, allowed / 10), 1 - allowed / 10)
        q = p - allowed if p > allowed else p + allowed
        return math.ceil(-math.log(CERTAIN) / float(rel_entr(q, p) + rel_entr(1 - q, 1 - p)))


def bins(
    confidence: ArrayLike,
    correct: ArrayLike,
    weights: ArrayLike | None = None,
    edges: Floats = TENTHS,
    alpha: float = 0.05,
) -> list[Bin]:
    """The occupied bins, rising. With weights the interval counts labels by their effective number."""
    f = probabilities(confidence)
    y = binary(correct, f)
    w = positive(weights, f)
    occupied = []
    index = _bin_index(f, edges)
    for number in np.unique(index):
        rows = index == number
        accuracy = float(np.average(y[rows], weights=w[rows]))
        mean = float(np.average(f[rows], weights=w[rows]))
        effective = effective_size(w[rows])
        low, high = wilson(accuracy * effective, effective, alpha)
        occupied.append(
            Bin(
                float(edges[number]),
                float(edges[number + 1]),
                int(rows.sum()),
                mean,
                accuracy,
                low - mean,
                high - mean,
                effective,
            )
        )
    return occupied


def ece(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None, edges: Floats = TENTHS) -> float:
    """Expected calibration error: the mean |gap| of bins, by weight. Biased upwards: compare with `ece_noise`."""
    f, y, w, index = _binned(confidence, correct, weights, edges)
    return float(np.abs(np.bincount(index, w * (y - f))).sum() / w.sum())


def ece_noise(confidence: ArrayLike, edges: Floats = TENTHS) -> float:
    """The ECE that so many labels of a perfectly calibrated model show on average.

    Σ_b (n_b/n) √(2 v_b / (π n_b)), v_b the mean of p(1 − p): the mean of |N(0, v_b/n_b)|. n = 200 gives about .05.
    """
    f = probabilities(confidence)
    index = _bin_index(f, edges)
    return float(np.sqrt(2 / np.pi * np.bincount(index, f * (1 - f))).sum() / len(f))


def squared_ce(confidence: ArrayLike, correct: ArrayLike, edges: Floats = TENTHS) -> float:
    """The mean squared gap of bins without its bias (Kumar, Liang, Ma 2019, 1909.10155): subtracts ȳ(1 − ȳ)/(n_b − 1).

    0 on average for a calibrated model, so often below 0: that is its price, not an error. Bins with one label, whose
    variance cannot be estimated, are left out; refuses where no other is left. Not the square of `ece`.
    """
    f, y, w, index = _binned(confidence, correct, None, edges)
    count = np.bincount(index, w)
    several = count >= 2
    if not several.any():
        raise InsufficientDataError(
            Reason.TOO_FEW_LABELS, f"no bin holds two of the {len(f)} labels: use fewer bins or wait"
        )
    n = count[several]
    gap = (np.bincount(index, y - f)[several]) / n
    mean = np.bincount(index, y)[several] / n
    return float(np.average(gap**2 - mean * (1 - mean) / (n - 1), weights=n))


def smooth_ece(confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None = None) -> float:
    """smECE (Błasiok and Nakkiran, ICLR 2024, 2309.12236): ∫|smoothed residual| at the bandwidth that equals it.

    Residuals y − p are smoothed by a Gaussian reflected at 0 and 1; no bins, no choice to make, continuous in the
    confidences. A value below .001 is reported as what the narrowest bandwidth (.001) gives.
    """
    from scipy.optimize import brentq

    f = probabilities(confidence)
    y = binary(correct, f)
    w = positive(weights, f)
    residual = w * (y - f) / w.sum()
    # Each residual is split between the centres of the two cells around it; the cosine transform of cells is the
    # reflection, and in it smoothing is a product.
    position = np.clip(f * _CELLS - 0.5, 0, _CELLS - 1)
    cell = np.minimum(position.astype(int), _CELLS - 2)
    right = position - cell
    mass = np.bincount(cell, (1 - right) * residual, _CELLS) + np.bincount(cell + 1, right * residual, _CELLS)
    waves = dct(mass, norm="ortho")
    frequency = np.pi * np.arange(_CELLS)

    def error(bandwidth: float) -> float:
        return float(np.abs(idct(waves * np.exp(-((frequency * bandwidth) ** 2) / 2), norm="ortho")).sum())

    if error(_NARROWEST) <= _NARROWEST:
        return error(_NARROWEST)
    # Falls from above the diagonal to at most 1, its greatest value.
    bandwidth = float(brentq(lambda width: error(width) - width, _NARROWEST, 1.0 + _NARROWEST))
    return min(1.0, bandwidth)  # rounding may add an ulp


def smooth_ece_interval(
    confidence: ArrayLike, correct: ArrayLike, rng: np.random.Generator, runs: int = 200, alpha: float = 0.05
) -> tuple[float, float]:
    """Percentile bootstrap of smECE at level 1 − alpha; some 10 ms a run.

    Never below 0, so it says how precisely the error is known, not whether it is 0: noise counts as error.
    """
    open_unit(alpha, "alpha")
    f = probabilities(confidence)
    y = binary(correct, f)
    draws = rng.integers(0, len(f), size=(runs, len(f)))
    low, high = np.quantile([smooth_ece(f[rows], y[rows]) for rows in draws], [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def _binned(
    confidence: ArrayLike, correct: ArrayLike, weights: ArrayLike | None, edges: Floats
) -> tuple[Floats, Floats, Floats, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    f = probabilities(confidence)
    return f, binary(correct, f), positive(weights, f), _bin_index(f, edges)


def _bin_index(f: Floats, edges: Floats) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or not (np.diff(edges) > 0).all():
        raise InsufficientDataError(Reason.BAD_PARAMETER, f"edges must rise from 0 to 1, not {edges}")
    return np.searchsorted(edges[1:-1], f, side="right")
