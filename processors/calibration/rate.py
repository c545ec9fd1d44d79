"""Whether a rate of all decisions is above its limit, estimated from the reviewed ones alone."""

from dataclasses import dataclass

import numpy as np

from interlock.learning.drift import KAPPAS, e_values, step

# Share of the capital that one decision may take at most.
_MAX_STAKE = 0.9


@dataclass(frozen=True, slots=True)
class Crossing:
    """`kind`: rate-above-limit or rate-rose. `statistic` exceeded `threshold` after `seen` reviewed decisions."""

    kind: str
    statistic: float
    threshold: float
    seen: int


class ReviewedRate:
    """The two alarms of `interlock.learning.drift.RateMonitor`, fed only with the reviewed decisions of a stream.

    `alpha`: of *ever* a false rate-above-limit. `quick`: at most so many false alarms of rate-rose per review, with the
    e-CUSUM or, where `forget` is np.logaddexp, the e-SR.

    Each bets κ·λ/π, λ being the smallest π of the stream: 1 + (κλ/π)(x − limit) for a decision that was reviewed and 1
    for any other has mean ≤ 1 as long as the rate of *all* decisions is at most the limit. λ must be known beforehand,
    so a smaller π restarts the bets; that happens once for every lower audit rate.
    """

    def __init__(self, limit: float, *, alpha: float, quick: float, forget: np.ufunc = np.maximum) -> None:
        self.limit = limit
        self._thresholds = {"rate-above-limit": 1 / alpha, "rate-rose": 1 / quick}
        self._forget = forget
        # The greatest bet must not go bankrupt under a high limit.
        self._kappas = np.array(KAPPAS) * min(1.0, _MAX_STAKE / (limit * max(KAPPAS)))
        self._lowest = 1.0
        self.restart()

    def restart(self) -> None:
        """Forgets everything but the smallest π."""
        self._bets = np.stack([np.zeros(len(self._kappas)), np.full(len(self._kappas), -np.inf)])
        self.seen = 0
        self._weights = 0.0
        self._weighted = 0.0

    @property
    def rate(self) -> float:
        """Of all decisions since the start, weighted by 1/π."""
        return self._weighted / self._weights if self._weights else 0.0

    def update(self, wrong: bool, propensity: float) -> Crossing | None:
        """Adds the next reviewed decision, π in (0, 1]; the alarm that it raises, if any. Call `restart` after an
        alarm."""
        if propensity < self._lowest:
            self._lowest = propensity
            self.restart()
        self.seen += 1
        self._weights += 1 / propensity
        self._weighted += wrong / propensity
        stake = self._lowest / propensity
        value = np.float64(self.limit + stake * (wrong - self.limit))
        self._bets = step(self._bets, value, self.limit, self._kappas, self._forget)
        for (kind, threshold), e_value in zip(self._thresholds.items(), e_values(self._bets), strict=True):
            if e_value >= threshold:
                return Crossing(kind, float(e_value), threshold, self.seen)
        return None
