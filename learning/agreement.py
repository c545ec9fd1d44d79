"""How far reviewers agree, beyond what chance alone would give.

Ratings are an (items × raters) array of categories 0, 1, 2 …; −1 where a rater did not see an item.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.learning.bounds import wilson
from interlock.learning.insufficient_data import InsufficientDataError, Reason

Ratings = NDArray[np.int64]

MISSING = -1


@dataclass(frozen=True, slots=True)
class Agreement:
    """`value`: 1 is full agreement; 0 is what chance gives, except for `percent_agreement`, and less is possible.
    `low` … `high`: 95 %, for more items like these `items`."""

    value: float
    low: float
    high: float
    items: int


def percent_agreement(ratings: Ratings) -> Agreement:
    """Share of pairs of ratings of the same item that are equal, each item counting once."""
    observed, _ = _observed(_counts(ratings))
    return _corrected(observed, 0.0)


def cohen_kappa(ratings: Ratings) -> Agreement:
    """Two raters, their own habits being chance (Cohen 1960). Items that only one of them saw are left out.

    Refused where both always use the same single category: chance would agree as well.
    """
    if ratings.ndim != 2 or ratings.shape[1] != 2:
        raise InsufficientDataError(
            Reason.BAD_PARAMETER, f"Cohen's kappa compares two raters: give two columns, not {ratings.shape}"
        )
    both = ratings[(ratings != MISSING).all(axis=1)]
    observed, _ = _observed(_counts(both))
    shares = [np.bincount(column, minlength=int(both.max()) + 1) / len(both) for column in both.T]
    return _corrected(observed, float(shares[0] @ shares[1]))


def fleiss_kappa(counts: NDArray[np.int64]) -> Agreement:
    """Any raters, equally many for each item; `counts`: (items × categories), how many chose each (Fleiss 1971).

    Refused where the numbers of ratings differ (use `krippendorff_alpha`) or everything falls in one category.
    """
    ratings = counts.sum(axis=1)
    if len(set(ratings.tolist())) > 1:
        raise InsufficientDataError(
            Reason.LENGTHS_DIFFER, "items have different numbers of ratings: use krippendorff_alpha"
        )
    observed, kept = _observed(counts)
    shares = kept.sum(axis=0) / kept.sum()
    return _corrected(observed, float(shares @ shares))


def krippendorff_alpha(ratings: Ratings) -> Agreement:
    """Any raters, each item by any number of them, nominal categories (Krippendorff 2011). The choice for live data.

    Items weigh by their number of ratings. Refused where no item has two ratings, or all are of one category.
    """
    counts = _counts(ratings)
    observed, kept = _observed(counts)
    seen = kept.sum(axis=1)
    totals = kept.sum(axis=0)
    everything = totals.sum()
    chance = float((totals * (totals - 1)).sum() / (everything * (everything - 1)))
    return _corrected(observed, chance, weights=seen)


def _counts(ratings: Ratings) -> NDArray[np.int64]:
    if ratings.ndim != 2 or (ratings < MISSING).any():
        raise InsufficientDataError(
            Reason.BAD_PARAMETER, "ratings must be (items × raters) of categories ≥ 0, or −1 for none"
        )
    categories = int(ratings.max(initial=0)) + 1
    return np.stack([(ratings == category).sum(axis=1) for category in range(categories)], axis=1)


def _observed(counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Share of equal pairs by item, of items with two ratings or more, and the counts of these items."""
    seen = counts.sum(axis=1)
    kept = counts[seen >= 2]
    if not len(kept):
        raise InsufficientDataError(Reason.NO_DATA, "no item has two ratings: send some decisions to two reviewers")
    n = kept.sum(axis=1)
    return (kept * (kept - 1)).sum(axis=1) / (n * (n - 1)), kept


def _corrected(observed: NDArray[np.float64], chance: float, *, weights: NDArray[np.int64] | None = None) -> Agreement:
    """(observed − chance) / (1 − chance), with Wilson's interval of the observed share taken through the formula.

    Taking chance as fixed is Cohen's own approximation; treating each item as a coin gives the widest interval that two
    raters allow, and too wide a one for more raters. Both keep their level at full agreement, where intervals by
    variance shrink to a point.
    """
    if chance >= 1:
        raise InsufficientDataError(
            Reason.SINGLE_CLASS, "every rating is of one category: agreement says nothing until two are used"
        )
    share = float(np.average(observed, weights=weights))
    value, low, high = ((raw - chance) / (1 - chance) for raw in (share, *wilson(share * len(observed), len(observed))))
    return Agreement(value, low, high, len(observed))
