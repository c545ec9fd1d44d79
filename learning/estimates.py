"""Override rates of all decisions, from the reviewed ones: corrected for which were selected for review.

`overridden` (N,) 0/1, read only where reviewed; `reviewed` (N,) bool; `propensity` (N,) π in (0, 1]: the probability
with which the pipeline sent each decision to a person, independently of the others (the audit coin). N counts *all*
decisions. Every selected decision MUST have its verdict: leave out periods whose reviews are still open.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from interlock.learning.arrays import Bools, Floats, binary, effective_size, open_unit, probabilities, propensities
from interlock.learning.bounds import clopper_pearson, wilson
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# With fewer overridden or fewer agreed cases that carry the uncertainty, the normal interval is too narrow (and a
# point where there are none), so the exact one is used.
FEW = 10


class Target(StrEnum):
    """The population that a number speaks of."""

    REVIEWED = "the reviewed decisions only"
    THESE = "all of these decisions"
    PROCESS = "all decisions of this kind, these and others like them"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate with its interval in [0, 1]. `value` of Horvitz–Thompson and AIPW is unbiased and may leave [0, 1]."""

    method: str
    target: Target
    value: float
    variance: float
    low: float
    high: float
    decisions: int
    reviewed: int


@dataclass(frozen=True, slots=True)
class _Sample:
    """What the estimators share; `y` is 0 where `r`, reviewed, is False."""

    y: Floats
    r: Bools
    pi: Floats
    target: Target
    alpha: float


def naive(overridden: ArrayLike, reviewed: ArrayLike, alpha: float = 0.05) -> Estimate:
    """The rate among the reviewed decisions, the doubtful ones: NOT that of all decisions. Wilson."""
    s = _sample(overridden, reviewed, None, Target.REVIEWED, alpha)
    count = int(s.r.sum())
    share = float(s.y.sum() / count)
    low, high = wilson(s.y.sum(), count, alpha)
    return Estimate("naive", Target.REVIEWED, share, share * (1 - share) / count, low, high, len(s.r), count)


def horvitz_thompson(
    overridden: ArrayLike,
    reviewed: ArrayLike,
    propensity: ArrayLike,
    target: Target = Target.THESE,
    alpha: float = 0.05,
) -> Estimate:
    """(1/N) Σ R Y/π (Horvitz and Thompson 1952): unbiased. Refuses π that is 0 or missing, and nothing reviewed."""
    s = _sample(overridden, reviewed, propensity, target, alpha)
    return _difference("Horvitz–Thompson", s, np.zeros(len(s.y)))


def aipw(
    overridden: ArrayLike,
    reviewed: ArrayLike,
    propensity: ArrayLike,
    predicted: ArrayLike,
    target: Target = Target.THESE,
    alpha: float = 0.05,
) -> Estimate:
    """(1/N) Σ [f + (R/π)(Y − f)]: unbiased whatever `predicted` (N,) says, and narrower the better it says it.

    `predicted`: f in [0, 1], the expected override rate of each decision (1 − calibrated confidence), fitted on other
    outcomes than these. Active inference (Zrnic and Candès, ICML 2024, 2403.03208). Refusals as Horvitz–Thompson.
    """
    s = _sample(overridden, reviewed, propensity, target, alpha)
    f = probabilities(predicted, "predicted")
    if len(f) != len(s.y):
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER, f"predicted has {len(f)} elements where {len(s.y)} are expected"
        )
    return _difference("AIPW", s, f)


def hajek(
    overridden: ArrayLike,
    reviewed: ArrayLike,
    propensity: ArrayLike,
    target: Target = Target.THESE,
    alpha: float = 0.05,
) -> Estimate:
    """Σ(R Y/π) / Σ(R/π) (Hájek 1971): in [0, 1], unbiased for large samples, needs no N: unreviewed rows may be absent.

    For sub-groups of unknown size. Refusals as Horvitz–Thompson.
    """
    s = _sample(overridden, reviewed, propensity, target, alpha)
    w = s.r / s.pi
    value = float((w * s.y).sum() / w.sum())
    spread = w**2 * (s.y - value) ** 2
    if target is Target.THESE:
        spread = spread * (1 - s.pi)
    return _estimate("Hájek", s, value, float(spread.sum() / w.sum() ** 2))


def rogan_gladen(
    estimate: Estimate,
    sensitivity: float,
    specificity: float,
    sensitivity_variance: float = 0.0,
    specificity_variance: float = 0.0,
    alpha: float = 0.05,
) -> Estimate:
    """The rate that flawless reviewers would have found: (p + Sp − 1) / (Se + Sp − 1) (Rogan and Gladen 1978).

    `sensitivity`: share of wrong decisions that reviewers override; `specificity`: share of right ones that they
    leave; from double review, with their variances. Value and interval are cut to [0, 1]. `alpha` MUST be that of the
    estimate. Refuses reviewers who tell right from wrong no better than chance (Se + Sp ≤ 1).
    """
    probabilities([sensitivity, specificity], "sensitivity and specificity")
    better = sensitivity + specificity - 1
    if better <= 0:
        raise InsufficientDataError(
            Reason.UNINFORMATIVE_REVIEW,
            f"sensitivity {sensitivity} and specificity {specificity} are no better than chance: "
            "what these reviewers say does not depend on the truth",
        )
    value, low, high = ((p + specificity - 1) / better for p in (estimate.value, estimate.low, estimate.high))
    own = (value**2 * sensitivity_variance + (1 - value) ** 2 * specificity_variance) / better**2
    margin = float(-ndtri(open_unit(alpha, "alpha") / 2)) * own**0.5
    low, high = _widened(value, (low, high), (value - margin, value + margin))
    return replace(
        estimate,
        method=f"{estimate.method}, corrected for reviewers' errors (Rogan–Gladen)",
        value=float(np.clip(value, 0, 1)),
        variance=estimate.variance / better**2 + own,
        low=float(np.clip(low, 0, 1)),
        high=float(np.clip(high, 0, 1)),
    )


def _sample(
    overridden: ArrayLike, reviewed: ArrayLike, propensity: ArrayLike | None, target: Target, alpha: float
) -> _Sample:
    open_unit(alpha, "alpha")
    flags = np.asarray(reviewed, dtype=np.float64)
    r = binary(flags, flags, "reviewed").astype(bool)
    if not r.any():
        raise InsufficientDataError(Reason.NO_DATA, f"none of {len(r)} decisions has been reviewed: wait for outcomes")
    y = np.asarray(overridden, dtype=np.float64)
    if y.shape != r.shape:
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER, f"overridden has {y.size} elements where {len(r)} are expected"
        )
    known = np.zeros(len(r))
    known[r] = binary(y[r], y[r], "overridden")
    return _Sample(known, r, np.ones(len(r)) if propensity is None else propensities(propensity, known), target, alpha)


def _difference(method: str, s: _Sample, f: Floats) -> Estimate:
    """The mean of f + (R/π)(Y − f), with the variance over coins alone or over decisions too."""
    n = len(f)
    if n < 2:
        raise InsufficientDataError(Reason.TOO_FEW_LABELS, "a single decision is no population")
    correction = s.r / s.pi * (s.y - f)
    if s.target is Target.THESE:
        variance = float(((1 - s.pi) * correction**2).sum() / n**2)
    else:
        variance = float(np.var(f + correction, ddof=1) / n)
    return _estimate(method, s, float((f + correction).mean()), variance)


def _estimate(method: str, s: _Sample, value: float, variance: float) -> Estimate:
    uncertain = s.r & (s.pi < 1) if s.target is Target.THESE else s.r
    overridden = int(s.y[uncertain].sum())
    if min(overridden, int(uncertain.sum()) - overridden) < FEW:
        low, high = _exact(s, value)
    else:
        half = float(-ndtri(s.alpha / 2)) * variance**0.5
        low, high = value - half, value + half
    low, high = float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
    return Estimate(method, s.target, value, variance, low, high, len(s.r), int(s.r.sum()))


def _exact(s: _Sample, value: float) -> tuple[float, float]:
    """What π = 1 covers is known; for the rest Clopper–Pearson at the effective size (Korn and Graubard 1998)."""
    sampled = s.pi < 1
    w = 1 / s.pi[sampled & s.r]
    effective = effective_size(w) if len(w) else 0.0
    share = float(np.average(s.y[sampled & s.r], weights=w)) if len(w) else 0.0
    low, high = clopper_pearson(share * effective, effective, s.alpha)
    known = s.y[~sampled].sum()
    ends = (known + sampled.sum() * np.array([low, high])) / len(s.r)
    low, high = float(min(ends[0], value)), float(max(ends[1], value))
    if s.target is Target.THESE:
        return low, high
    inside = float(np.clip(value, 0, 1))
    return _widened(value, (low, high), wilson(inside * len(s.r), len(s.r), s.alpha))


def _widened(value: float, first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Two independent uncertainties of one value together (MOVER, Zou and Donner 2008)."""
    low = np.hypot(value - first[0], value - second[0])
    high = np.hypot(first[1] - value, second[1] - value)
    return float(value - low), float(value + high)
