"""Whether errors or overrides are above their limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interlock.learning.arrays import Floats, open_unit
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Small bets find a rate just above the limit, large ones a rate far above it.
KAPPAS = (0.5, 1.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True, slots=True)
class Alarm:
    """`kind`: rate-above-limit or rate-rose. `at`: time of the decision that raised it, as passed in.
    `decisions`: how many the monitor had seen. `why`: a sentence for people."""

    kind: str
    at: int
    decisions: int
    why: str


class RateMonitor:
    """Bets that a rate exceeds `limit`; raises each of two alarms at most once, `restart` starts again.

    *rate-above-limit*: an e-process, Π(1 + κ(x − limit)) averaged over κ. If the rate never exceeds the limit, this
    alarm *ever* comes with probability ≤ alpha, however often one looks (Ville). It answers "has it been too high".
    *rate-rose*: the same bets with losses forgotten (e-CUSUM, Shin, Ramdas & Rinaldo 2203.03532), so that a long good
    past cannot hide a late change. Its promise is weaker: the mean time to a false alarm is ≥ 1/cusum_alpha decisions.

    Feed every decision in order with `update`, reviewed or not: an override counts 1/π, everything else 0, so that
    the rate is the whole population's. `kappas`: bets below 1/limit.
    """

    def __init__(
        self, limit: float, *, alpha: float = 0.05, cusum_alpha: float = 1e-3, kappas: Sequence[float] = KAPPAS
    ) -> None:
        for name, value in (("limit", limit), ("alpha", alpha), ("cusum_alpha", cusum_alpha)):
            open_unit(value, name)
        if not kappas or not all(0 < kappa < 1 / limit for kappa in kappas):
            raise InsufficientDataError(
                Reason.BAD_PARAMETER, f"kappas must lie between 0 and {1 / limit:g} (1 / limit)"
            )
        self._limit = limit
        self._kappas = np.array(kappas, dtype=np.float64)
        self._thresholds = {"rate-above-limit": 1 / alpha, "rate-rose": 1 / cusum_alpha}
        self.restart()

    def restart(self) -> None:
        """Forgets everything, after the cause of an alarm was dealt with."""
        self._bets = np.zeros((2, len(self._kappas)))
        self._decisions = 0
        self._weighted = 0.0
        self._raised: set[str] = set()

    def update(self, overridden: bool, propensity: float, at: int) -> list[Alarm]:
        """Adds the next decision; the alarms that it raises. `overridden`: False also where it was not reviewed."""
        if not 0 < propensity <= 1:
            raise InsufficientDataError(Reason.BAD_PROPENSITY, f"propensity must lie in (0, 1], not {propensity}")
        value = overridden / propensity
        self._bets = step(self._bets, np.float64(value), self._limit, self._kappas)
        self._decisions += 1
        self._weighted += value
        alarms = []
        for kind, e_value in zip(self._thresholds, e_values(self._bets), strict=True):
            if kind not in self._raised and e_value >= self._thresholds[kind]:
                self._raised.add(kind)
                alarms.append(Alarm(kind, at, self._decisions, self._why(kind)))
        return alarms

    def _why(self, kind: str) -> str:
        rate = f"{self._weighted / self._decisions:.3f} over {self._decisions:,} decisions (weighted by 1/π)"
        if kind == "rate-rose":
            return f"the rate has recently been above {self._limit:g}; since the start it is {rate}"
        return f"the rate has been above {self._limit:g}: {rate}"


def step(
    bets: Floats, values: Floats | np.float64, limit: float, kappas: Floats, forget: np.ufunc = np.maximum
) -> Floats:
    """One more value ≥ 0 for each of many monitors. `bets`: log capital, (2, …, κ): [0] e-process, [1] that which
    forgets losses.

    `values`: (…). `forget`: np.maximum gives the e-CUSUM, which starts again from 1 whenever it has lost; np.logaddexp
    the e-SR (Shiryaev–Roberts), the sum over all starts. Both have at most one false alarm in as many values as their
    threshold. The e-SR comes near to that, the e-CUSUM is some twenty times calmer and slower than it says.
    """
    gains = np.log1p(kappas * (np.asarray(values)[..., None] - limit))
    return np.stack([bets[0] + gains, forget(bets[1], 0) + gains])


def e_values(bets: Floats) -> Floats:
    """The evidence of each monitor, (2, …): capital averaged over bets, capped where it would overflow."""
    return np.asarray(np.exp(np.minimum(bets, math.log(1e300))).mean(axis=-1), dtype=np.float64)
