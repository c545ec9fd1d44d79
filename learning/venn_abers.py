"""Recalibration without a parametric curve: isotonic regression, and Venn–Abers, whose interval keeps its level.

For comparison and display, not for deployment: isotonic regression alone often harms (log-loss −15.8 % on public
data, statistics), and a deployed recalibration must be the two numbers that the router applies.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from interlock.learning.arrays import Floats, binary, effective_size, positive, probabilities


@dataclass(frozen=True, slots=True)
class VennAbers:
    """For each query: the calibrated probability if its label were 0 (`low`) or 1 (`high`); low < high."""

    low: Floats
    high: Floats

    @property
    def point(self) -> Floats:
        """The one probability between them with the least regret in log-loss: p1 / (1 − p0 + p1)."""
        return np.asarray(self.high / (1 - self.low + self.high))


def isotonic(confidence: ArrayLike, correct: ArrayLike, at: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The monotone least-squares fit of `correct` (n,) on `confidence` (n,), at the confidences `at` (m,).

    Linear between known confidences, constant outside them. May answer 0 or 1, which no finite number of labels
    justifies and log-loss punishes without bound. `weights` (n,): 1/π where outcomes were selected.
    """
    from scipy.optimize import isotonic_regression

    f = probabilities(confidence)
    known, mean, weight = _grouped(f, binary(correct, f), positive(weights, f))
    fitted = isotonic_regression(mean, weights=weight).x
    return np.asarray(np.interp(probabilities(at, "at"), known, fitted))


def venn_abers(confidence: ArrayLike, correct: ArrayLike, at: ArrayLike, weights: ArrayLike | None = None) -> VennAbers:
    """Inductive Venn–Abers predictors (Vovk, Petej, Fedorova 2015): (p0, p1) at the confidences `at` (m,).

    One of the two is perfectly calibrated for exchangeable labels, whatever the model; their distance says how much
    the labels leave open. Works with a single class and a single label: the interval is then wide. With `weights`
    (1/π; a query counts as one label of mean weight, weights summing to their effective number) that guarantee is
    approximate. Two isotonic fits for every distinct query, each linear in n.
    """
    f = probabilities(confidence)
    w = positive(weights, f)
    known, mean, weight = _grouped(f, binary(correct, f), w * (effective_size(w) / w.sum()))
    queries, back = np.unique(probabilities(at, "at"), return_inverse=True)
    pairs = np.array([[_at(known, mean, weight, query, label) for label in (0.0, 1.0)] for query in queries])
    return VennAbers(pairs[back, 0], pairs[back, 1])


def _grouped(f: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Distinct confidences, rising, with the weighted mean label and the weight of each."""
    known, index = np.unique(f, return_inverse=True)
    weight = np.bincount(index, w).astype(np.float64)
    return known, np.bincount(index, w * y) / weight, weight


def _at(known: Floats, mean: Floats, weight: Floats, query: float, label: float) -> float:
    """The isotonic fit at a query once it has joined the labels with this label."""
    from scipy.optimize import isotonic_regression

    index = int(np.searchsorted(known, query))
    if index < len(known) and known[index] == query:
        mean, weight = mean.copy(), weight.copy()
        mean[index] = (mean[index] * weight[index] + label) / (weight[index] + 1)
        weight[index] += 1
    else:
        mean, weight = np.insert(mean, index, label), np.insert(weight, index, 1.0)
    return float(isotonic_regression(mean, weights=weight).x[index])
