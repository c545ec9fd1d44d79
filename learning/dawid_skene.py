"""How good each reviewer is, estimated from reviewers who judged the same items, and who overrides too seldom."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from interlock.learning.arrays import Floats, open_unit
from interlock.learning.bounds import clopper_pearson
from interlock.learning.holm import holm
from interlock.learning.insufficient_data import InsufficientDataError, Reason

Index = NDArray[np.int64]

# The likelihood rises slowly near its top; a reference value with three decimals needs this.
TOLERANCE = 1e-9
MAX_STEPS = 5000

# An answer that a reviewer never gives to a class rules the class out; a logarithm of this does so without infinities.
IMPOSSIBLE = 1e-300


@dataclass(frozen=True, slots=True)
class Fit:
    """The most likely truth. `prevalence`: (classes). `confusion`: (reviewers × true class × answer), rows sum to 1;
    the row of a true class that a reviewer never met is uniform. `posterior`: (items × classes), of the true class.
    `log_likelihood`: of the ratings in the order given. `converged`: False when the steps ran out."""

    prevalence: Floats
    confusion: Floats
    posterior: Floats
    log_likelihood: float
    converged: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """`accuracy`: expected share of this reviewer's answers that are true, within `low` … `high` with 95 %
    (Clopper–Pearson on the expected number of true ones, the fit taken as known)."""

    reviewer: int
    answers: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TooFewOverrides:
    """`expected`: overrides that items like this reviewer's bring. `adjusted_p`: after Holm over all reviewers."""

    reviewer: int
    answers: int
    overrides: int
    expected: float
    adjusted_p: float


def fit(
    items: Index,
    reviewers: Index,
    answers: Index,
    *,
    classes: int,
    smoothing: float = 0.0,
    one_accuracy: bool = False,
) -> Fit:
    """EM of Dawid & Skene (1979), from majority shares; one row for each rating, everything numbered from 0.

    `smoothing`: pseudo-answers added to each cell of every confusion matrix; 0 is maximum likelihood, 1 keeps
    reviewers with few answers from looking perfect. Assumes that reviewers err independently given the true class and
    that most are better than chance. Refused with fewer than three reviewers who share items with others: two who
    differ do not tell which of them errs.

    `one_accuracy`: a reviewer is equally often right in every class, and each error equally likely. Needed where no
    item has three answers: of two classes, such items tell of each reviewer how often a class is named, and one factor
    of the covariances (that of two is the product of theirs); 2R numbers, while R confusion matrices and a prevalence
    are 2R + 1. Refused too where the pairing of reviewers does not determine even that, as where two shifts check each
    other.
    """
    _check(items, reviewers, answers, classes)
    if one_accuracy:
        _check_one_accuracy(items, reviewers, classes)
    shape = (int(items.max()) + 1, int(reviewers.max()) + 1)
    posterior = np.zeros((shape[0], classes))
    np.add.at(posterior, (items, answers), 1)
    posterior /= posterior.sum(axis=1, keepdims=True)
    # How often a reviewer gives an answer to an item: item × (reviewer and answer), and the other way round.
    cells = reviewers * classes + answers
    ratings = csr_array((np.ones(len(items)), (items, cells)), shape=(shape[0], shape[1] * classes))
    of_reviewers = ratings.T.tocsr()
    before = -np.inf
    for _ in range(MAX_STEPS):
        prevalence = posterior.mean(axis=0)
        given = smoothing + (of_reviewers @ posterior).reshape(
            shape[1], classes, classes
        )  # reviewer × answer × true class
        if one_accuracy:
            given = _same_for_all_classes(given)
        met = given.sum(axis=1, keepdims=True)
        given = np.divide(given, met, out=np.full_like(given, 1 / classes), where=met > 0)
        chances = np.log(np.maximum(given, IMPOSSIBLE)).reshape(-1, classes)
        joint = np.log(np.maximum(prevalence, IMPOSSIBLE)) + ratings @ chances
        by_item = np.logaddexp.reduce(joint, axis=1, keepdims=True)
        posterior = np.exp(joint - by_item)
        likelihood = float(by_item.sum())
        if abs(likelihood - before) < TOLERANCE:
            return Fit(prevalence, given.swapaxes(1, 2), posterior, likelihood, True)
        before = likelihood
    return Fit(prevalence, given.swapaxes(1, 2), posterior, before, False)


def _same_for_all_classes(given: Floats) -> Floats:
    """The counts as they would be, did each reviewer's right and wrong answers spread evenly over the cells."""
    classes = given.shape[1]
    right = given.trace(axis1=1, axis2=2)
    wrong = given.sum(axis=(1, 2)) - right
    shares = np.stack([wrong / (classes - 1), right])
    return np.asarray(shares[np.eye(classes, dtype=np.int64)].transpose(2, 0, 1))


def quality(fitted: Fit, items: Index, reviewers: Index, answers: Index) -> list[Quality]:
    """Of each reviewer with an answer, by number, over the rows that `fit` got."""
    true = fitted.posterior[items, answers]
    qualities = []
    for reviewer in np.unique(reviewers).tolist():
        mine = true[reviewers == reviewer]
        n, k = len(mine), min(float(mine.sum()), float(len(mine)))  # a sum of ones may exceed their number
        qualities.append(Quality(reviewer, n, k / n, *clopper_pearson(k, n)))
    return qualities


def too_few_overrides(
    overrides: Index, answers: Index, expected: Floats, *, alpha: float = 0.05, share: float = 0.5
) -> list[TooFewOverrides]:
    """Reviewers who provably override less than `share` of what their items call for: perhaps they no longer read.

    By reviewer: `overrides` among `answers`, and the `expected` number of overrides, Σ (1 − calibrated confidence) or
    what blind reviews of such items found. With probability ≥ 1 − alpha the list names no reviewer who overrides
    at `share` or more of the expected rate. Binomial, which is cautious where items differ (Hoeffding 1956).
    """
    from scipy.stats import binom

    open_unit(alpha, "alpha")
    if not (overrides.shape == answers.shape == expected.shape):
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER, "give overrides, answers and expected overrides for each reviewer"
        )
    if not np.all((overrides >= 0) & (overrides <= answers) & (expected >= 0) & (expected <= answers)):
        raise InsufficientDataError(
            Reason.BAD_PARAMETER, "overrides and expected overrides must lie between 0 and the answers"
        )
    rate = share * np.divide(expected, answers, out=np.zeros(len(answers)), where=answers > 0)
    p = np.asarray(binom.cdf(overrides, answers, rate), dtype=np.float64)
    adjusted = holm(p)
    return [
        TooFewOverrides(
            reviewer,
            int(answers[reviewer]),
            int(overrides[reviewer]),
            float(expected[reviewer]),
            float(adjusted[reviewer]),
        )
        for reviewer in np.argsort(p, kind="stable").tolist()
        if adjusted[reviewer] <= alpha
    ]


def _check(items: Index, reviewers: Index, answers: Index, classes: int) -> None:
    if not len(items) or not (len(items) == len(reviewers) == len(answers)):
        raise InsufficientDataError(
            Reason.NO_DATA, "give one item, one reviewer and one answer for each rating, one rating at least"
        )
    if min(items.min(), reviewers.min(), answers.min()) < 0 or answers.max() >= classes:
        raise InsufficientDataError(Reason.BAD_PARAMETER, f"numbers start at 0, and answers end at {classes - 1}")
    if len(numbers := np.unique(items)) <= items.max():
        gap = int(np.setdiff1d(np.arange(items.max()), numbers)[0])
        raise InsufficientDataError(Reason.NO_DATA, f"item {gap} has no rating: number the items without gaps")
    pairs = np.unique(np.column_stack([items, reviewers]), axis=0)
    shared = np.bincount(pairs[:, 0])[pairs[:, 0]] >= 2
    sharing = len(np.unique(pairs[shared, 1]))
    if sharing < 3:
        raise InsufficientDataError(
            Reason.TOO_FEW_LABELS,
            f"{sharing} reviewers share items with others, three are needed: ask more people about the same",
        )


def _check_one_accuracy(items: Index, reviewers: Index, classes: int) -> None:
    """The agreement of two beyond chance is the product of how much better than chance each is: R unknowns, and one
    equation for each pair that shares an item, linear in their logarithms."""
    if classes < 2:
        raise InsufficientDataError(
            Reason.SINGLE_CLASS, "every answer is the same: accuracy says nothing until two are used"
        )
    seen = np.zeros((int(items.max()) + 1, int(reviewers.max()) + 1))
    seen[items, reviewers] = 1
    first, second = np.nonzero(np.triu(seen.T @ seen, 1))
    equations = np.zeros((len(first), seen.shape[1]))
    equations[np.arange(len(first)), first] = equations[np.arange(len(first)), second] = 1
    unknown = len(np.unique(reviewers))
    if np.linalg.matrix_rank(equations) < unknown:
        raise InsufficientDataError(
            Reason.TOO_FEW_LABELS,
            "the pairing of reviewers does not show who errs: three people are needed, each two of whom share items, "
            "and all others must be linked to such three",
        )
