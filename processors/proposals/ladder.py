"""Evidence for one promise at several limits, because people do not see every error and do not answer everything.

A promise of 5 % about errors is one of 4 % about overrides where people find four errors in five, and of 3.6 % where
they answer nine tasks in ten besides. How many they find is known from gold items, better with every one of them, and
later than the first reviews; how many they answer changes from day to day. So the evidence is kept for a ladder of
limits from the start, and a proof takes the highest rung that the terms of the day allow. A lower rung asks for more in
every step, so the rung may be chosen after the evidence has come.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from interlock.learning.answered import most
from interlock.learning.reviewer_errors import RISK_SHARE, Visible

# Shares of the promise. Open work costs a tenth or so of the limit, so rungs there are close; each costs some more at
# every look. Whoever finds fewer than three errors in ten cannot vouch for anything.
RUNGS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3)

# Where gold items are typical, right answers that people change raise what they see above the promise.
HIGHER_RUNGS = (2.0, 1.8, 1.6, 1.4, 1.2)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a proof must reach at one look. `limit`: the rate of overrides among what was judged, at most, if the
    promise holds; `delta`: the risk that is left for the evidence."""

    limit: float
    delta: float


def terms(alpha: float, delta: float, seen: Visible | None = None, share: float = 1.0) -> Terms:
    """The terms of a promise `alpha` at the risk `delta`. `seen`: what of it people can see; None: they are taken at
    their word. `share`: of what was chosen for people, how much they judged, at least."""
    if seen is None:
        return Terms(alpha / most(share), delta)
    return Terms(seen.limit / most(share), delta * (1 - RISK_SHARE))


@dataclass(frozen=True, slots=True)
class Ladder(Generic[T]):
    """`rungs`: the evidence by its limit, from high to low."""

    rungs: dict[float, T]

    def after(self, add: Callable[[T], T]) -> "Ladder[T]":
        """With `add` done to the evidence of every limit."""
        return Ladder({limit: add(one) for limit, one in self.rungs.items()})

    def evidence(self, limit: float) -> T | None:
        """That of the highest rung up to `limit`; None where that is below all of them."""
        highest = _highest(self.rungs, limit)
        return None if highest is None else self.rungs[highest]


def ladder(alpha: float, begin: Callable[[float], T], *, typical: bool) -> Ladder[T]:
    """The beginning. `begin`: no evidence, by limit. `typical`: see `learning.reviewer_errors.visible`."""
    return Ladder({limit: begin(limit) for limit in _limits(alpha, typical=typical)})


def rung(alpha: float, limit: float, *, typical: bool) -> float | None:
    """The limit of the evidence that a proof would take."""
    return _highest(_limits(alpha, typical=typical), limit)


def _limits(alpha: float, *, typical: bool) -> list[float]:
    shares = (*HIGHER_RUNGS, *RUNGS) if typical else RUNGS
    return [share * alpha for share in shares if share * alpha < 1]


def _highest(limits: Iterable[float], limit: float) -> float | None:
    # Without the tolerance 0.05 · 0.9 / 0.9 would be below 0.05.
    return next((each for each in limits if each <= limit * (1 + 1e-9)), None)
