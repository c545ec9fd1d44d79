"""Evidence for one promise at several limits, because people do not see every error.

A promise of 5 % about errors is one of 4 % about overrides where people find four errors in five. How many they find is
known from gold items, better with every one of them, and later than the first reviews. So the evidence is kept for a
ladder of limits from the start, and a proof takes the highest rung that people's record allows. A lower rung asks for
more in every step, so the rung may be chosen after the evidence has come.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from interlock.learning.reviewer_errors import RISK_SHARE, Visible

# Shares of the promise. A finer ladder would cost more at every look and gain less than a tenth of the limit; whoever
# finds fewer than three errors in ten cannot vouch for anything.
RUNGS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)

# Where gold items are typical, right answers that people change raise what they see above the promise.
HIGHER_RUNGS = (2.0, 1.8, 1.6, 1.4, 1.2, 1.0)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ladder(Generic[T]):
    """`plain`: the evidence as people judge. `rungs`: by share of the promise `alpha`, from high to low."""

    alpha: float
    plain: T
    rungs: dict[float, T]

    def after(self, add: Callable[[T], T]) -> "Ladder[T]":
        """With `add` done to the evidence of every limit."""
        return Ladder(self.alpha, add(self.plain), {share: add(one) for share, one in self.rungs.items()})

    def evidence(self, seen: Visible | None) -> T | None:
        """That of the highest limit that people's record allows; None where it allows none of them."""
        if seen is None:
            return self.plain
        allowed = (one for share, one in self.rungs.items() if share * self.alpha <= seen.limit)
        return next(allowed, None)


def ladder(alpha: float, delta: float, begin: Callable[[float, float], T], *, typical: bool) -> Ladder[T]:
    """The beginning. `begin`: no evidence, by limit and risk. `typical`: see `learning.reviewer_errors.visible`."""
    shares = (*HIGHER_RUNGS, *RUNGS) if typical else RUNGS
    rest = remaining(delta)
    rungs = {share: begin(share * alpha, rest) for share in shares if share * alpha < 1}
    return Ladder(alpha, begin(alpha, delta), rungs)


def remaining(delta: float) -> float:
    """The risk that is left for the evidence where some goes to not knowing people."""
    return delta * (1 - RISK_SHARE)
