"""How many of many decisions are wrong, from the few that were judged: strata of which each has its own rate.

A stratum is what had the same way to a person: there the judged ones stand for the others, weighted by 1/π. The
interval of its rate is Clopper and Pearson's at the effective number of verdicts (Korn and Graubard 1998): where a few
audits speak for many decisions and errors are rare, the normal and Wilson's miss the truth too often, and on one side.
Few cases are counted where they lie: many errors in one stratum make no interval of another any surer.

What was chosen and not answered makes the rate one of a region (learning/answered.py); the interval is that of the
region's ends (Imbens and Manski 2004). Totals over strata have their interval by MOVER (Zou and Donner 2008): the
distances from each end of a region to that of its interval, squared and added.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from scipy.special import ndtri

from interlock.learning.answered import MIN_SHOWN, widened
from interlock.learning.bounds import clopper_pearson


class Ends(NamedTuple):
    """Where a rate can lie: from `least` to `most` if chance played no part, from `low` to `high` with it."""

    low: float
    least: float
    most: float
    high: float


# Nobody has judged any: the rate may be anything, and that is not chance.
UNKNOWN = Ends(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Stratum:
    """`population`: decisions in it; expected numbers may be fractions. `judged`: those with a verdict. `weight`,
    `squares`, `wrong`: sums over the judged of 1/π, of 1/π², and of 1/π of those that people found wrong; or of other
    weights. `answered`: of what was chosen, the share that has its verdict. `precision`: how many verdicts each is
    worth, where something else is known that says which decisions are wrong."""

    population: float
    judged: int
    weight: float
    squares: float
    wrong: float
    answered: float = 1.0
    precision: float = 1.0

    def __add__(self, other: "Stratum") -> "Stratum":
        """Both as one."""
        chosen = self.weight / self.answered + other.weight / other.answered
        return Stratum(
            self.population + other.population,
            self.judged + other.judged,
            self.weight + other.weight,
            self.squares + other.squares,
            self.wrong + other.wrong,
            (self.weight + other.weight) / chosen if chosen else 1.0,
            min(self.precision, other.precision),
        )

    @property
    def expected(self) -> float:
        """How many of the population are wrong; exact where all are judged."""
        return self.wrong * (self.population / self.weight)

    @property
    def rate(self) -> float:
        """Hájek's estimate of the share that is wrong; somebody must have judged."""
        return self.wrong / self.weight

    @property
    def _unseen(self) -> float:
        return max(0.0, 1 - self.judged / max(self.population, self.judged))

    def ends(self, alpha: float) -> tuple[float, float]:
        """The interval of the rate of these decisions: it is a point where all are judged."""
        ends = self.of_these(alpha)
        return ends.low, ends.high

    def process_ends(self, alpha: float) -> tuple[float, float]:
        """The interval of the rate of others like these."""
        ends = self.of_process(alpha)
        return ends.low, ends.high

    def of_these(self, alpha: float) -> Ends:
        """Where the rate of these decisions can lie."""
        low, high = self._exact(self._size * self.precision, alpha)
        unseen = sqrt(self._unseen)
        return self._region(self._rate - unseen * (self._rate - low), self._rate + unseen * (high - self._rate))

    def of_process(self, alpha: float) -> Ends:
        """Where the rate of others like these can lie."""
        # Variance by which were seen, and variance by which came at all.
        size = self._size / (self._unseen / self.precision + 1 - self._unseen)
        return self._region(*self._exact(size, alpha))

    @property
    def _size(self) -> float:
        return self.weight**2 / self.squares

    @property
    def _rate(self) -> float:
        # What is unbiased may lie outside.
        return min(1.0, max(0.0, self.rate))

    def _exact(self, size: float, alpha: float) -> tuple[float, float]:
        return clopper_pearson(self._rate * size, size, alpha)

    def _region(self, low: float, high: float) -> Ends:
        if self.answered >= 1:
            return Ends(low, self._rate, self._rate, high)
        # Where less is answered than is shown by itself, the rest may be anything.
        unanswered = None if self.answered >= MIN_SHOWN else 1.0
        least, most = widened(self._rate, self._rate, self.answered, unanswered)
        low, high = widened(low, high, self.answered, unanswered)
        return Ends(low, least, most, high)


def together(parts: Sequence[tuple[float, Ends]], variance: float = 0.0, alpha: float = 0.05) -> tuple[float, float]:
    """The interval of the sum of rates, each times its factor. `variance`: of what else is left to chance in it."""
    z2 = float(ndtri(alpha / 2)) ** 2
    below = sum((factor * (ends.least - ends.low)) ** 2 for factor, ends in parts)
    above = sum((factor * (ends.high - ends.most)) ** 2 for factor, ends in parts)
    return (
        sum(factor * ends.least for factor, ends in parts) - sqrt(below + z2 * variance),
        sum(factor * ends.most for factor, ends in parts) + sqrt(above + z2 * variance),
    )


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
    low, high = together([(stratum.population, stratum.of_these(alpha)) for stratum in known], alpha=alpha)
    following = [(stratum.population, stratum.of_process(alpha)) for stratum in known]
    # Chance in how many came then, whose errors stand for those of the next ones, and chance in the next ones.
    number = sum(stratum.population * stratum.rate**2 for stratum in known)
    process_high = together(following, alpha=alpha)[1]
    return Total(
        value,
        max(0.0, low),
        high,
        max(0.0, together(following, number + value, alpha)[0]),
        together(following, number + process_high, alpha)[1],
        sum(stratum.population for stratum in known),
        sum(stratum.population for stratum in every) - sum(stratum.population for stratum in known),
        sum(stratum.judged for stratum in known),
    )
