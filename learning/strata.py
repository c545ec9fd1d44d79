"""How many of many decisions are wrong, from the few that were judged: strata of which each has its own rate.

A stratum is what had the same way to a person: there the judged ones stand for the others, weighted by 1/π. Totals over
strata have their interval by MOVER (Zou and Donner 2008): the distances from each estimate to the ends of its interval,
squared and added. Each is Clopper and Pearson's at the effective number of verdicts (Korn and Graubard 1998): where a
few audits speak for many decisions and errors are rare, the lower end of Wilson's lies above the truth too often.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

from scipy.special import ndtri

from interlock.learning.bounds import clopper_pearson


@dataclass(frozen=True, slots=True)
class Stratum:
    """`population`: decisions in it; expected numbers may be fractions. `judged`: those with a verdict. `weight`,
    `squares`, `wrong`: sums over the judged of 1/π, of 1/π², and of 1/π of those that people found wrong."""

    population: float
    judged: int
    weight: float
    squares: float
    wrong: float

    def __add__(self, other: "Stratum") -> "Stratum":
        """Both as one."""
        return Stratum(
            self.population + other.population,
            self.judged + other.judged,
            self.weight + other.weight,
            self.squares + other.squares,
            self.wrong + other.wrong,
        )

    @property
    def expected(self) -> float:
        """How many of the population are wrong; exact where all are judged."""
        return self.wrong * (self.population / self.weight)

    @property
    def rate(self) -> float:
        """Hájek's estimate of the share that is wrong; somebody must have judged."""
        return self.wrong / self.weight

    def ends(self, alpha: float) -> tuple[float, float]:
        """The interval of `rate`, of these decisions: it is a point where all are judged."""
        size = self.weight**2 / self.squares
        low, high = clopper_pearson(self.rate * size, size, alpha)
        unseen = sqrt(max(0.0, 1 - self.judged / max(self.population, self.judged)))
        return self.rate - unseen * (self.rate - low), self.rate + unseen * (high - self.rate)

    def process_ends(self, alpha: float) -> tuple[float, float]:
        """The interval of the rate of others like these."""
        size = self.weight**2 / self.squares
        return clopper_pearson(self.rate * size, size, alpha)


@dataclass(frozen=True, slots=True)
class Total:
    """How many are wrong. `low` to `high`: of these decisions. `next_low` to `next_high`: of as many others like them,
    whose number and errors vary by chance as well (Poisson). `population`: of how many this speaks; of `unknown`
    further ones nothing is known, as nobody has judged any like them. `judged`: from how many verdicts."""

    value: float
    low: float
    high: float
    next_low: float
    next_high: float
    population: float
    unknown: float
    judged: int


def total(strata: Iterable[Stratum], alpha: float = 0.05) -> Total:
    """The sum over strata, with intervals at level 1 − alpha."""
    every = list(strata)
    known = [stratum for stratum in every if stratum.judged and stratum.weight > 0]
    value = sum(stratum.expected for stratum in known)
    low, high = _ends(value, known, [stratum.ends(alpha) for stratum in known])
    process_low, process_high = _ends(value, known, [stratum.process_ends(alpha) for stratum in known])
    z = float(-ndtri(alpha / 2))
    # Chance in how many came then, whose errors stand for those of the next ones; chance in the next ones comes below.
    number = sum(stratum.population * stratum.rate**2 for stratum in known)
    return Total(
        value,
        low,
        high,
        max(0.0, value - sqrt((value - process_low) ** 2 + z**2 * (number + value))),
        value + sqrt((process_high - value) ** 2 + z**2 * (number + process_high)),
        sum(stratum.population for stratum in known),
        sum(stratum.population for stratum in every) - sum(stratum.population for stratum in known),
        sum(stratum.judged for stratum in known),
    )


def _ends(value: float, strata: list[Stratum], ends: list[tuple[float, float]]) -> tuple[float, float]:
    below = sum((part.population * (part.rate - low)) ** 2 for part, (low, _) in zip(strata, ends, strict=True))
    above = sum((part.population * (high - part.rate)) ** 2 for part, (_, high) in zip(strata, ends, strict=True))
    return max(0.0, value - sqrt(below)), value + sqrt(above)
