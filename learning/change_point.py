"""Whether a rate has risen above its limit, and since when: however long it was good before.

A bet on all outcomes since the start must first win back what a good past has cost. This one adds up the capital of
bets that begin at each outcome: the e-detector with Shiryaev–Roberts sums of Shin, Ramdas and Rinaldo (2203.03532).
"""

from collections.abc import Sequence

import numpy as np

from interlock.learning.arrays import Floats, open_unit
from interlock.learning.betting import lower
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# The greatest bet leaves a tenth of the capital after a correct decision; each further one is half as large. The
# smallest finds a rate one tenth above its limit, the greatest finds one far above it from audits at 5 %.
_STAKES: Floats = 0.9 * 0.5 ** np.arange(7, dtype=np.float64)

# A hundred years of a thousand reviewed outcomes a day.
RUN_LENGTH = 36_500_000


class ChangeDetector:
    """Outcomes of one stream in order. Capital is kept by size of bet.

    While the rate of all decisions never exceeds `limit`: the mean number of outcomes until `exceeded` is at least
    `run_length`, and it happens within n outcomes with probability ≤ n / run_length.
    """

    def __init__(self, limit: float, run_length: float = RUN_LENGTH) -> None:
        self._limit = open_unit(limit, "limit")
        if run_length < 1:
            raise InsufficientDataError(Reason.BAD_PARAMETER, f"run_length must be at least 1, not {run_length}")
        self._log_run_length = float(np.log(run_length))
        self.bets: Floats = _STAKES / limit
        self._count = 0
        self._sums = np.full(len(self.bets), -np.inf)
        self._latest = np.zeros(len(self.bets))
        self._starts = np.zeros(len(self.bets), dtype=np.int64)

    def add(self, value: float, weight: float) -> None:
        """One more outcome: `value` in [0, 1]; `weight` in (0, 1]: the smallest possible π over its own π."""
        growth = gains(np.array(value), np.array(weight), self._limit, self.bets)
        self._starts[self._latest <= 0] = self._count
        self._latest = np.maximum(self._latest, 0) + growth
        self._sums = np.logaddexp(self._sums, 0) + growth
        self._count += 1

    @property
    def exceeded(self) -> bool:
        """The rate is, or has lately been, above the limit."""
        return bool(log_evidence(self._sums) >= self._log_run_length)

    def exceeds_with(self, values: Floats, weights: Floats, open_weights: Floats) -> bool:
        """Whether the rate is certainly above the limit after further outcomes, in the order in which their decisions
        arrived, though others that arrived are not judged yet: `open_weights`, one for each of these, at least its own.

        An open one counts as 0, which is the least that it can be. So the capital is at most what it will have been in
        the order of arrival once all is judged, and the promise holds in whichever order people judge.
        """
        capital = np.cumsum(gains(values, weights, self._limit, self.bets), axis=0)
        before = np.vstack([np.zeros(len(self.bets)), capital])
        starts = np.logaddexp.reduce(-before[:-1], axis=0) if len(values) else -np.inf
        lost = gains(np.zeros(len(open_weights)), open_weights, self._limit, self.bets).sum(axis=0)
        sums = before[-1] + np.logaddexp(self._sums, starts) + lost
        return bool(log_evidence(sums) >= self._log_run_length)

    @property
    def since(self) -> int:
        """How many outcomes came before the one from which the rate has most likely been too high: the start at which
        the capital of the best bet is greatest."""
        return int(self._starts[np.argmax(self._latest)])


def gains(values: Floats, weights: Floats, limit: float, bets: Floats) -> Floats:
    """Growth of log capital by outcome and bet."""
    return np.asarray(np.log1p(bets * (weights * (values - limit))[..., None]))


def log_evidence(sums: Floats) -> Floats:
    """Log of the mean over bets, `sums` (…, bets) being logs."""
    return np.asarray(np.logaddexp.reduce(sums, axis=-1) - np.log(sums.shape[-1]))


def bounds_since(
    values: Sequence[float] | Floats,
    weights: Sequence[float] | Floats,
    outcomes: int,
    alpha: float = 0.05,
    open_weights: Sequence[float] | Floats = (),
) -> tuple[float, float]:
    """Bounds of the mean since a change that was looked for among all `outcomes` so far, each at level 1 − alpha.

    `values` and `weights` (as in `betting`): those since the change; `open_weights`: of those that are not judged yet,
    which count as 0 for the lower bound and as 1 for the upper one. Both bounds hold whichever start was chosen, and
    for that reason each start has its share of alpha.
    """
    x = np.asarray(values, dtype=np.float64)
    share = alpha / max(outcomes, len(x))
    lost, w = np.zeros(len(open_weights)), np.concatenate([open_weights, weights])
    return lower(np.concatenate([lost, x]), w, share), 1 - lower(np.concatenate([lost, 1 - x]), w, share)
