"""Override rates of all decisions, from the reviewed ones: corrected for which were selected for review.

`overridden` (N,) 0/1, read only where reviewed; `reviewed` (N,) bool: a person has judged it; `propensity` (N,) π in
(0, 1]: the probability with which the pipeline sent each decision to a person, independently of the others (the audit
coin). N counts *all* decisions. `answered` (N,) in (0, 1], or one number: of the selected decisions like this one, the
share that has its verdict (learning/answered.py); None: every selected decision has its verdict.

Intervals are made by strata of π and of `answered`, each from its own verdicts (learning/strata.py).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from interlock.learning.answered import MIN_SHOWN
from interlock.learning.arrays import Bools, Floats, binary, open_unit, probabilities, propensities
from interlock.learning.bounds import wilson
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.learning.strata import UNKNOWN, Ends, Stratum, together

# How much a prediction tells is itself estimated from the verdicts: not from fewer overridden or agreed ones.
FEW = 10

# Strata with less of all decisions than this may be answered too rarely: their rate then may be anything.
MATTERS = 0.05


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
    """What the estimators share; `y` is 0 where `r`, reviewed, is False. `pi`: probability of being selected and
    answered. `strata`: which decisions are alike, and the share of them that is answered."""

    y: Floats
    r: Bools
    pi: Floats
    strata: list[tuple[Bools, float]]
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
    answered: ArrayLike | None = None,
) -> Estimate:
    """(1/N) Σ R Y/π (Horvitz and Thompson 1952): unbiased. Refuses π that is 0 or missing, nothing reviewed, and
    strata that matter of which less than half is answered."""
    s = _sample(overridden, reviewed, propensity, target, alpha, answered)
    return _difference("Horvitz–Thompson", s, np.zeros(len(s.y)))


def aipw(
    overridden: ArrayLike,
    reviewed: ArrayLike,
    propensity: ArrayLike,
    predicted: ArrayLike,
    target: Target = Target.THESE,
    alpha: float = 0.05,
    answered: ArrayLike | None = None,
) -> Estimate:
    """(1/N) Σ [f + (R/π)(Y − f)]: unbiased whatever `predicted` (N,) says, and narrower the better it says it.

    `predicted`: f in [0, 1], the expected override rate of each decision (1 − calibrated confidence), fitted on other
    outcomes than these. Active inference (Zrnic and Candès, ICML 2024, 2403.03208). Refusals as Horvitz–Thompson.
    """
    s = _sample(overridden, reviewed, propensity, target, alpha, answered)
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
    answered: ArrayLike | None = None,
) -> Estimate:
    """Σ(R Y/π) / Σ(R/π) (Hájek 1971): in [0, 1], unbiased for large samples, needs no N: unreviewed rows may be absent.

    For sub-groups of unknown size. Refusals as Horvitz–Thompson.
    """
    s = _sample(overridden, reviewed, propensity, target, alpha, answered)
    w = s.r / s.pi
    value = float((w * s.y).sum() / w.sum())
    spread = w**2 * (s.y - value) ** 2
    if target is Target.THESE:
        spread = spread * (1 - s.pi)
    # Their sizes are estimated too, by the weights. Where nobody has judged only the rows can tell.
    sizes = [float(w[rows].sum()) or float(rows.sum()) for rows, _ in s.strata]
    return _estimate("Hájek", s, value, float(spread.sum() / w.sum() ** 2), sizes, w**2)


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
    overridden: ArrayLike,
    reviewed: ArrayLike,
    propensity: ArrayLike | None,
    target: Target,
    alpha: float,
    answered: ArrayLike | None = None,
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
    pi = np.ones(len(r)) if propensity is None else propensities(propensity, known)
    share = _shares(answered, known)
    return _Sample(known, r, pi * share, _strata(pi, share), target, alpha)


def _shares(answered: ArrayLike | None, like: Floats) -> Floats:
    share = np.asarray(1.0 if answered is None else answered, dtype=np.float64)
    if share.ndim == 0:
        share = np.full(len(like), float(share))
    if share.shape != like.shape:
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER, f"answered has {share.size} elements where {len(like)} are expected"
        )
    if not ((share > 0) & (share <= 1)).all():
        raise InsufficientDataError(
            Reason.NOT_ANSWERED,
            "answered must lie in (0, 1]: leave out ways on which nobody has answered, and say so",
        )
    unsaid = float((share < MIN_SHOWN).mean())
    if unsaid >= MATTERS:
        raise InsufficientDataError(
            Reason.NOT_ANSWERED,
            f"{unsaid:.0%} of the decisions are of ways on which people have answered as little as "
            f"{share.min():.0%} of what was chosen; {MIN_SHOWN:.0%} are needed. Wait for their reviews",
        )
    return share


def _strata(pi: Floats, share: Floats) -> list[tuple[Bools, float]]:
    """Rows with π between the same powers of two, those with π = 1 apart, and of one answered share."""
    octave = np.where(pi == 1, 0, 1 + np.floor(-np.log2(pi))).astype(np.intp)
    alike = [share == one for one in sorted(set(share.tolist()))]
    strata = [(octave == one) & rows for one in np.flatnonzero(np.bincount(octave)) for rows in alike]
    return [(rows, float(share[rows][0])) for rows in strata if rows.any()]


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
    sizes = [float(rows.sum()) for rows, _ in s.strata]
    # How many decisions each stratum has is known; how many others like them would have is not.
    sized = np.full(n, float(s.target is Target.PROCESS))
    return _estimate(method, s, float((f + correction).mean()), variance, sizes, sized, f)


def _estimate(
    method: str,
    s: _Sample,
    value: float,
    variance: float,
    sizes: list[float],
    sized: Floats,
    f: Floats | None = None,
) -> Estimate:
    """`sizes` of the strata; `sized` (N,): the part of each row in the variance of these."""
    strata = [
        _stratum(s, rows, size, share, f) if s.r[rows].any() else None
        for (rows, share), size in zip(s.strata, sizes, strict=True)
    ]
    whole = sum(sizes)
    parts = [(size / whole, _ends(stratum, s)) for size, stratum in zip(sizes, strata, strict=True)]
    if s.target is Target.THESE and f is None:
        sized = sized * (1 - s.pi)
    known = [
        (float(sized[rows].sum()), size / whole, stratum.rate)
        for (rows, _), size, stratum in zip(s.strata, sizes, strata, strict=True)
        if stratum
    ]
    mean = sum(share * rate for _, share, rate in known) / sum(share for _, share, _ in known)
    between = sum(spread * (rate - mean) ** 2 for spread, _, rate in known) / whole**2
    low, high = together(parts, between, s.alpha)
    low, high = float(np.clip(min(low, value), 0, 1)), float(np.clip(max(high, value), 0, 1))
    return Estimate(method, s.target, value, variance, low, high, len(s.r), int(s.r.sum()))


def _ends(stratum: Stratum | None, s: _Sample) -> Ends:
    if stratum is None:
        return UNKNOWN
    return stratum.of_these(s.alpha) if s.target is Target.THESE else stratum.of_process(s.alpha)


def _stratum(s: _Sample, rows: Bools, size: float, share: float, f: Floats | None) -> Stratum:
    """With a prediction the mean of f + (Y − f)/π, where there are enough verdicts to tell how much that helps."""
    seen = rows & s.r
    w, y = 1 / s.pi[seen], s.y[seen]
    stratum = Stratum(size, len(w), float(w.sum()), float((w**2).sum()), float((w * y).sum()), share)
    if f is None or min(y.sum(), len(y) - y.sum()) < FEW:
        return stratum
    residual = y - f[seen]
    mean = float(np.average(residual, weights=w))
    spread = float((w**2 * (residual - mean) ** 2).sum())
    plain = float((w**2 * (y - stratum.rate) ** 2).sum())
    return replace(stratum, wrong=(float(f[rows].mean()) + mean) * stratum.weight, precision=plain / spread)


def _widened(value: float, first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    """Two independent uncertainties of one value together (MOVER, Zou and Donner 2008)."""
    low = np.hypot(value - first[0], value - second[0])
    high = np.hypot(first[1] - value, second[1] - value)
    return float(value - low), float(value + high)
