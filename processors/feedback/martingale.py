"""`learning.betting.lower` as a running state of a few hundred numbers, whatever the number of outcomes."""

import numpy as np

from interlock.learning.arrays import open_unit

# Share of the capital at stake at most, as in `interlock.learning.betting`.
_MAX_STAKE = 0.5

# Claims that are bet against, one every half per cent: the bound is rounded down to one of them.
_CLAIM_COUNT = 200


class BettingMartingale:
    """Bets against "the mean is m" for many m at once, in the order of the outcomes.

    `limit` is one of the claims, so that the answer about it is exact.
    """

    def __init__(self, limit: float, alpha: float) -> None:
        self._threshold = -np.log(open_unit(alpha, "alpha"))
        self._bet = 2 * self._threshold
        self._claims = np.unique(np.append(np.arange(_CLAIM_COUNT) / _CLAIM_COUNT, open_unit(limit, "limit")))
        self._caps = np.append(np.inf, _MAX_STAKE / self._claims[1:])
        self._log_capital = np.zeros(len(self._claims))
        self._peak = np.zeros(len(self._claims))
        self._limit = int(np.searchsorted(self._claims, limit))
        self._count = 0
        self._weights = self._sum = self._squares = 0.0

    def add(self, value: float, weight: float) -> None:
        """One more outcome: `value` in [0, 1]; `weight` in (0, 1]: the smallest possible π over its own π."""
        t = self._count + 1
        # Stakes come from the past alone.
        variance = (0.25 + self._squares) / t
        stakes = np.minimum(np.sqrt(self._bet / (variance * t * np.log1p(t))), self._caps)
        self._log_capital += np.log1p(stakes * weight * (value - self._claims))
        np.maximum(self._peak, self._log_capital, out=self._peak)
        self._count = t
        self._weights += weight
        self._sum += weight * value
        self._squares += (weight * (value - (0.5 + self._sum) / (1 + self._weights))) ** 2

    @property
    def exceeded(self) -> bool:
        """The mean is above the limit; wrong with probability ≤ alpha over all looks together."""
        return bool(self._peak[self._limit] >= self._threshold)

    @property
    def lower(self) -> float:
        """The greatest claim that was excluded as too small, 0 if none was."""
        return float(self._claims[self._peak >= self._threshold].max(initial=0.0))
