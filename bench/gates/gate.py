"""What a statistical gate is: a simulation, what its figures must keep to, and what they were before."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Promise:
    """A bound on one figure of a gate. `before`: the figure before the promise was made good, as far as known."""

    figure: str
    at_least: float = -math.inf
    at_most: float = math.inf
    before: float | None = None

    def kept(self, value: float, runs: int) -> bool:
        """Whether the figure keeps to the bound. A share of runs may be off by three standard errors, which
        chance does once in 700 times to one that lies exactly on its bound."""
        return self.at_least - _chance(self.at_least, runs) <= value <= self.at_most + _chance(self.at_most, runs)

    def __str__(self) -> str:
        bounds = ((self.at_least, "≥"), (self.at_most, "≤"))
        return " and ".join(f"{sign} {bound:g}" for bound, sign in bounds if math.isfinite(bound))


class Gate(NamedTuple):
    """A simulation by its number of `runs`. Its figures are one share, a dataclass, or either of them by name.

    `runs`: of the full form, enough for two digits of a share. `quick`: of the quick form; 0: a tenth of `runs`.
    """

    measure: Callable[[int], Any]
    runs: int
    promises: tuple[Promise, ...] = ()
    quick: int = 0

    def runs_of(self, *, quick: bool) -> int:
        """How many runs the form takes."""
        return (self.quick or max(1, self.runs // 10)) if quick else self.runs


def _chance(bound: float, runs: int) -> float:
    """Three standard errors of a share; 0 where the bound is on something else, or leaves nothing to chance."""
    return 3 * math.sqrt(bound * (1 - bound) / runs) if 0 < bound < 1 else 0.0
