"""Which unlabelled decisions to show people next, so that their labels teach the most."""

from dataclasses import dataclass

import numpy as np

from interlock.learning.arrays import Floats
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Share of the score; the rest is distance. It matters little on tabular data (spambase, credit_data, digits).
UNCERTAINTY = 0.6

# Share of the budget that is drawn at random, so that every candidate has a known chance.
EXPLORE = 0.1


@dataclass(frozen=True, slots=True)
class Selection:
    """`selected`: candidates (row numbers), the greedy ones first, in the order of selection; `greedy`: how many.
    `propensity`: π of *every* candidate, selected or not."""

    selected: tuple[int, ...]
    greedy: int
    propensity: Floats


def select(
    uncertainty: Floats,
    vectors: Floats,
    labelled: Floats,
    coins: Floats,
    *,
    budget: int,
    explore: float = EXPLORE,
    uncertainty_share: float = UNCERTAINTY,
) -> Selection:
    """Selects up to `budget` candidates: most by score (see `greedy`), a share `explore` (at least one) at random.

    `uncertainty`: (n,), ≥ 0, any unit, such as 1 − confidence. `vectors`: (n, d) features of the candidates,
    `labelled`: (m, d) features of what already has labels; m may be 0. `coins`: (n,), uniform in [0, 1) and independent
    of everything else about the candidates (a keyed hash of the id).

    How π comes about: the greedy part is a function of the pool alone and never sees a coin. Given the pool, its
    members therefore have π = 1. From the n' others the r smallest coins are taken, a simple random sample: each has π
    = r / n'. These π are exact *given the pool*, not estimated; Σ y/π over the selected ones is unbiased for the sum
    over the pool. The r random ones are drawn without replacement, so variances that treat reviews as independent are
    slightly too wide. A decision with another, independent chance ρ of review has 1 − (1 − π)(1 − ρ) in all.
    """
    n = len(uncertainty)
    if vectors.shape[:1] != (n,) or coins.shape != (n,) or vectors.ndim != 2 or labelled.shape[1:] != vectors.shape[1:]:
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER,
            f"{n} uncertainties, vectors {vectors.shape}, coins {coins.shape}, labelled {labelled.shape}: "
            "give one row and one coin for each candidate, and the same features everywhere",
        )
    if not (np.isfinite(uncertainty).all() and (uncertainty >= 0).all() and np.isfinite(vectors).all()):
        raise InsufficientDataError(
            Reason.BAD_PARAMETER, "uncertainties must be finite and ≥ 0, vectors finite: leave others out"
        )
    if not np.isfinite(labelled).all() or budget < 0 or not 0 <= explore <= 1:
        raise InsufficientDataError(
            Reason.BAD_PARAMETER, "labelled vectors must be finite, budget ≥ 0 and explore in [0, 1]"
        )
    if budget == 0 or n == 0:
        return Selection((), 0, np.zeros(n))
    if n <= budget:
        return Selection(tuple(range(n)), n, np.ones(n))
    drawn = max(1, round(explore * budget))
    by_score = greedy(uncertainty, vectors, labelled, budget - drawn, uncertainty_share=uncertainty_share)
    others = np.setdiff1d(np.arange(n), by_score)
    by_chance = others[np.argsort(coins[others], kind="stable")[:drawn]]
    propensity = np.full(n, drawn / len(others))
    propensity[by_score] = 1.0
    return Selection((*by_score, *by_chance.tolist()), len(by_score), propensity)


def greedy(
    uncertainty: Floats,
    vectors: Floats,
    labelled: Floats,
    count: int,
    *,
    uncertainty_share: float = UNCERTAINTY,
) -> list[int]:
    """`count` candidates, one after the other: highest w·uncertainty + (1 − w)·distance to labelled ∪ already selected.

    w is `uncertainty_share`, in [0, 1]. Both terms are divided by their maximum, the distance again after every
    selection, and features by their standard deviation first. Each selection takes O(n·d). Equal scores: the earlier
    row.
    """
    from scipy.spatial import KDTree

    everything = np.vstack([vectors, labelled])
    spread = everything.std(axis=0)
    scale = np.where(spread > 0, spread, 1)
    points, known = vectors / scale, labelled / scale
    doubt = _scaled(uncertainty)
    # Before anything is labelled everything is equally far from it.
    nearest = KDTree(known).query(points)[0] ** 2 if len(known) else np.full(len(points), np.inf)
    left = np.ones(len(points), dtype=np.bool_)
    selected: list[int] = []
    for _ in range(min(count, len(points))):
        distance = np.sqrt(nearest) if np.isfinite(nearest).all() else np.zeros(len(points))
        score = uncertainty_share * doubt + (1 - uncertainty_share) * _scaled(distance)
        best = int(np.argmax(np.where(left, score, -np.inf)))
        selected.append(best)
        left[best] = False
        nearest = np.minimum(nearest, ((points - points[best]) ** 2).sum(axis=1))
    return selected


def _scaled(values: Floats) -> Floats:
    highest = values.max()
    return values / highest if highest > 0 else np.zeros(len(values))
