"""Thresholds above which a model may decide alone, with a proved limit on its errors.

Terms used throughout: `alpha` is the highest share of wrong answers allowed among accepted ones, `delta` the
probability with which the whole procedure may certify something worse. `confidence` in [0, 1]; accepted means
confidence ≥ threshold. A threshold is "strict" when high, "lax" when low.

The fixed-sample functions need labels that are a uniform random sample of the decisions. Where people saw some
decisions more often than others collect `Evidence`, which weighs by 1/π.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interlock.learning.arrays import Bools, Floats, binary, open_unit, probabilities
from interlock.learning.bounds import clopper_pearson
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Bets as shares of the highest one that cannot go bankrupt. Small ones win where the true error is just below alpha,
# large ones where there is none; the average of all loses at most a factor of five for not knowing which.
SHARES = (0.1, 0.2, 0.4, 0.6, 0.9)

# Decisions whose evidence is computed at once: with a hundred thresholds some 4 MB.
_BLOCK = 1_000


def binomial_p(errors: int | NDArray[np.int64], cases: int | NDArray[np.int64], alpha: float) -> Floats:
    """P(Bin(cases, alpha) ≤ errors): the exact p-value of "the error rate is above alpha". 1 without cases."""
    from scipy.stats import binom

    return np.asarray(binom.cdf(errors, cases, alpha), dtype=np.float64)


def hoeffding_bentkus_p(mean_loss: float, cases: int, alpha: float) -> float:
    """The same for losses anywhere in [0, 1] instead of right or wrong: valid, but weaker (Bates et al. 2021)."""
    from scipy.stats import binom

    if cases == 0:
        return 1.0
    low = min(mean_loss, alpha)
    entropy = (low * math.log(low / alpha) if low else 0.0) + (1 - low) * math.log((1 - low) / (1 - alpha))
    # A sum of 10.000000000000002 losses is 10 losses.
    bentkus = math.e * float(binom.cdf(math.ceil(mean_loss * cases - 1e-9), cases, alpha))
    return min(1.0, math.exp(-cases * entropy), bentkus)


def error_bound(errors: int, cases: int, delta: float) -> float:
    """Upper limit of the error rate, below the truth with probability ≤ delta < ½. 1 without cases."""
    return clopper_pearson(errors, cases, 2 * delta)[1]


def sample_size(alpha: float, delta: float, *, errors: int = 0, hypotheses: int = 1) -> int:
    """The fewest labels with which `errors` wrong ones still certify, delta being shared by `hypotheses`."""
    from scipy.stats import binom

    level = delta / hypotheses
    low, high = errors, max(1, 2 * errors)
    while binom.cdf(errors, high, alpha) > level:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if binom.cdf(errors, middle, alpha) > level else (low, middle)
    return high


@dataclass(frozen=True, slots=True)
class Tested:
    """One threshold: labels accepted by it, wrong ones among them, p-value of "its error is above alpha"."""

    threshold: float
    accepted: int
    errors: int
    p: float


@dataclass(frozen=True, slots=True)
class Certification:
    """`threshold`: the laxest certified one, None where there is none. `tested`: every step, the failed one last."""

    threshold: float | None
    labels: int
    tested: tuple[Tested, ...]


def first_thresholds(earlier: Floats, labels: int, alpha: float, delta: float, *, steps: int = 30) -> Floats:
    """Thresholds to test, strict → lax, chosen on confidences of *other* decisions (earlier ones; labels not needed).

    The strictest is expected to accept twice the clean sample that a certificate needs among `labels` labels: with
    fewer, one error ends the sequence before it begins. Steps are equal shares of decisions. Empty where even the
    laxest accepts too few. Rounded down to four digits, so that people can read them.
    """
    start = 2 * sample_size(alpha, delta) / max(labels, 1)
    if start > 1 or not len(earlier):
        return np.empty(0)
    shares = np.linspace(start, 1, steps)
    return np.unique(np.floor(np.quantile(probabilities(earlier), 1 - shares) * 1e4) / 1e4)[::-1]


def certify(confidence: Floats, correct: Bools, thresholds: Floats, *, alpha: float, delta: float) -> Certification:
    """Learn-then-Test by fixed sequence: from strict to lax until a p-value exceeds delta (Angelopoulos 2110.01052).

    With probability ≥ 1 − delta the returned threshold accepts wrong answers at a rate ≤ alpha, without assuming
    that stricter means better. Assumes labels drawn uniformly and `thresholds` fixed before looking at them: a start
    chosen on these labels voids the promise. A threshold that accepts nothing has p = 1 and ends the sequence.
    """
    confidence, correct = _labelled(confidence, correct)
    tested: list[Tested] = []
    certified = None
    for threshold in np.sort(thresholds)[::-1]:
        accepted = confidence >= threshold
        cases, errors = int(accepted.sum()), int((accepted & ~correct).sum())
        step = Tested(float(threshold), cases, errors, float(binomial_p(errors, cases, alpha)))
        tested.append(step)
        if step.p > delta:
            break
        certified = step.threshold
    return Certification(certified, len(correct), tuple(tested))


def selective_guarantee(confidence: Floats, correct: Bools, *, alpha: float, delta: float) -> float | None:
    """SGR (Geifman & El-Yaniv 2017), for comparison: bisection over the confidences seen, delta shared by its steps.

    Usually more cautious than `certify`, needs no thresholds. None where nothing is certified.
    """
    confidence, correct = _labelled(confidence, correct)
    if not len(correct):
        return None
    ordered = np.sort(confidence)
    steps = max(1, math.ceil(math.log2(len(ordered))))
    low, high, best = 0, len(ordered) - 1, None
    for _ in range(steps):
        middle = (low + high + 1) // 2
        accepted = confidence >= ordered[middle]
        if error_bound(int((accepted & ~correct).sum()), int(accepted.sum()), delta / steps) <= alpha:
            high, best = middle, float(ordered[middle])
        else:
            low = middle
    return best


def errors_allowed(labels: int, alpha: float) -> int:
    """Labels that may be both accepted and wrong under `joint_threshold`; −1: too few labels to accept anything."""
    return math.floor(alpha * (labels + 1) - 1 + 1e-9)  # 100 × 0.05 may come out as 4.999999999999999


def joint_threshold(confidence: Floats, correct: Bools, alpha: float) -> float | None:
    """The laxest threshold with P(accepted and wrong) ≤ alpha *on average over samples* (conformal risk control).

    A limit on the share of all decisions, not of accepted ones, which is not monotone (2208.02814). None: nothing
    may be accepted. The value lies just above the confidence of the first error too many.
    """
    confidence, correct = _labelled(confidence, correct)
    allowed = errors_allowed(len(correct), alpha)
    wrong = np.sort(confidence[~correct])[::-1]
    if allowed < 0:
        return None
    return 0.0 if len(wrong) <= allowed else float(np.nextafter(wrong[allowed], np.inf))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a stream of decisions has shown so far about thresholds, valid at every moment (Xu et al. 2406.10490).

    `thresholds`: strict → lax, fixed in advance. `log_e`: log capital by threshold and bet. `peak`: the highest log of
    the capital averaged over bets. `decisions`: how many were added. By Ville's inequality a threshold whose error is
    above alpha *ever* peaks at 1/delta with probability ≤ delta; fixed-sequence order extends that to all of them.
    Assumes that the error rates do not drift: begin again with `no_evidence` when a monitor (drift.py) says so.
    """

    thresholds: Floats
    alpha: float
    delta: float
    shares: tuple[float, ...]
    log_e: Floats
    peak: Floats
    decisions: int

    @property
    def certified(self) -> float | None:
        """The laxest threshold that is certified together with all stricter ones."""
        proved = self.peak >= -math.log(self.delta)
        count = len(proved) if proved.all() else int(np.argmin(proved))
        return float(self.thresholds[count - 1]) if count else None


def no_evidence(thresholds: Floats, *, alpha: float, delta: float, shares: Sequence[float] = SHARES) -> Evidence:
    """The beginning. `shares`: bets in (0, 1), fixed in advance."""
    for name, value in (("alpha", alpha), ("delta", delta), *(("share", share) for share in shares)):
        open_unit(value, name)
    ordered = np.unique(thresholds)[::-1].astype(np.float64)
    log_e = np.zeros((len(ordered), len(shares)))
    return Evidence(ordered, alpha, delta, tuple(shares), log_e, np.zeros(len(ordered)), 0)


def add(
    evidence: Evidence, confidence: Floats, correct: Bools, reviewed: Bools, propensity: Floats, lowest: float
) -> Evidence:
    """The evidence after more decisions, in their order. Adding one by one or in batches comes to the same.

    *Every* decision, reviewed or not: `correct` counts only where `reviewed`. `propensity`: π of each. `lowest`: a
    lower limit of π that was known before these decisions came (the policy's audit rate; 1 in shadow mode, where
    people see everything). Refused where a reviewed π is below it.
    """
    confidence, correct = _labelled(confidence, correct)
    _at_least(propensity[reviewed], lowest)
    bets = np.array(evidence.shares) * lowest / (1 - evidence.alpha)
    log_e, peak = evidence.log_e, evidence.peak
    accepted = confidence[reviewed, None] >= evidence.thresholds
    gain = (evidence.alpha - ~correct[reviewed]) / propensity[reviewed]
    steps = np.log1p(np.outer(gain, bets))
    for start in range(0, len(steps), _BLOCK):
        part = slice(start, start + _BLOCK)
        # By decision, threshold and bet; what a threshold does not accept leaves its capital as it is.
        path = log_e + np.cumsum(accepted[part, :, None] * steps[part, None, :], axis=0)
        log_e = path[-1]
        peak = np.maximum(peak, _joined(path).max(axis=0) - math.log(len(bets)))
    return replace(evidence, log_e=log_e, peak=peak, decisions=evidence.decisions + len(correct))


def _joined(log_capital: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log of the sum over bets; three times as fast as np.logaddexp.reduce along the last axis."""
    whole = log_capital[..., 0]
    for bet in range(1, log_capital.shape[-1]):
        whole = np.logaddexp(whole, log_capital[..., bet])
    return whole


def audits_to_go(evidence: Evidence, index: int, error: float) -> float | None:
    """How many more audits at the lowest π bring a threshold to its certificate, if a share `error` of them is wrong.

    None if no bet grows at such an error. A lane without errors needs 75, at alpha 5 % and delta 10 %.
    """
    from scipy.optimize import brentq

    goal = -math.log(evidence.delta)
    if evidence.peak[index] >= goal:
        return 0.0
    bets = np.array(evidence.shares)
    won, lost = np.log1p(bets * evidence.alpha / (1 - evidence.alpha)), np.log1p(-bets)
    growth = (1 - error) * won + error * lost
    if not (growth > 0).any():
        return None
    missing = goal + math.log(len(bets))

    def short(audits: float) -> float:
        return missing - float(np.logaddexp.reduce(evidence.log_e[index] + audits * growth))

    # The best bet alone gets there at last; together they do so earlier.
    latest = float(((missing - evidence.log_e[index])[growth > 0] / growth[growth > 0]).min())
    if short(latest) >= 0:  # by rounding, where the other bets are lost
        return latest
    return float(brentq(short, 0, latest)) if short(0) > 0 else 0.0


def _labelled(confidence: ArrayLike, correct: ArrayLike) -> tuple[Floats, Bools]:
    """Checked; no labels at all are fine here, they certify nothing."""
    if np.size(confidence) == np.size(correct) == 0:
        return np.empty(0), np.empty(0, dtype=np.bool_)
    checked = probabilities(confidence)
    return checked, binary(correct, checked) > 0


def _at_least(propensity: Floats, lowest: float) -> None:
    if not 0 < lowest <= 1 or not np.all((propensity >= lowest) & (propensity <= 1)):
        raise InsufficientDataError(
            Reason.BAD_PROPENSITY,
            f"a propensity is missing or not in [{lowest}, 1]: give the smallest that the policy allows, above 0",
        )
