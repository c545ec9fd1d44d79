"""How many errors people miss, and how many right answers they change, from decisions that two judged independently.

Of the errors that at least one of two found, a share r was found by one alone. Who finds each error with probability Se
finds it alone twice with Se·(1 − Se), and both find it with Se², so that r = 2(1 − Se)/(2 − Se): the two-sample case of
capture and recapture (Lincoln–Petersen; Chao 2001). Given how many were found at all, those found by one are binomial.
With "changed" for "missed" the same holds of right answers.

* **Hard errors are not seen.** Where some errors are hard for everybody, both miss them together, and Se comes out too
  high; no number of double reviews tells how much (Link 2003; conditional independence in Hui and Walter 1980).
* **People differ.** Where chance says who judges with whom, Se comes out too low, if at all; where good people are
  paired with good ones, too high.
* **The third errs too.** A missed error then counts as a right answer that one person changed. How often that happens
  is not known: between never and, because the third sees both verdicts, as often as one person alone misses one.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from interlock.learning.bounds import clopper_pearson

# As many as gold items: with 30 of 30 found by both a sensitivity of 93 % is still possible (Clopper–Pearson).
MIN_FOUND = 30

# An interval for a share, by successes, trials and alpha.
Interval = Callable[[int, int, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Decisions that two people judged. Of the model's errors `both` found so many, and only `one` so many; where a
    third is still to decide, an error is supposed. `alarms`: one changed a right answer, as the third decided;
    `neither`: nobody changed anything."""

    both: int = 0
    one: int = 0
    alarms: int = 0
    neither: int = 0

    @property
    def found(self) -> int:
        """Errors that at least one of two found."""
        return self.both + self.one

    @property
    def enough(self) -> bool:
        """Whether anything may be concluded about what people miss."""
        return self.found >= MIN_FOUND

    @property
    def told(self) -> int:
        """How often the counts have changed: of two of them the one with more is the later."""
        return self.both + self.one + 2 * self.alarms + self.neither

    def with_pair(self, changed: int) -> "PairCounts":
        """One more that is no dispute, or one that is and waits for the third; `changed`: how many of the two decided
        for another outcome than the model."""
        match changed:
            case 0:
                return replace(self, neither=self.neither + 1)
            case 1:
                return replace(self, one=self.one + 1)
        return replace(self, both=self.both + 1)

    def with_false_alarm(self) -> "PairCounts":
        """The third has decided of one of `one` that the model was right."""
        return replace(self, one=self.one - 1, alarms=self.alarms + 1)


@dataclass(frozen=True, slots=True)
class Share:
    """`value`: if the third is always right. `low` … `high`: if the third errs no more often than one person alone."""

    value: float
    low: float
    high: float

    @property
    def rest(self) -> "Share":
        return Share(1 - self.value, 1 - self.high, 1 - self.low)


def sensitivity(pairs: PairCounts, alpha: float = 0.05, interval: Interval = clopper_pearson) -> Share:
    """The share of errors that one person finds. `interval`: for one look, or `bounds.anytime`.

    Of what both changed, as many are taken for no error as two would change by mistake who do so independently: where
    right answers are often changed and errors are rare, they would make people look better than they are.
    """
    by_mistake = _rounded(pairs.alarms**2, 4 * max(pairs.neither, 1))
    both = max(0, pairs.both - by_mistake)
    return _slips(pairs.one, both, _misjudged(pairs.alarms, pairs.neither), alpha, interval).rest


def false_alarms(pairs: PairCounts, alpha: float = 0.05, interval: Interval = clopper_pearson) -> Share:
    """The share of right answers that one person changes. Errors that both miss count as right ones: they are few."""
    return _slips(pairs.alarms, pairs.neither, _misjudged(pairs.one, pairs.both), alpha, interval)


def _slips(alone: int, together: int, strange: int, alpha: float, interval: Interval) -> Share:
    """How often one person slips where one of two did in `alone` cases, and neither in `together`. `strange`: how many
    of `alone` may be of the other kind, because the third misjudged them."""
    share = alone / (alone + together) if alone + together else 1.0
    own = max(0, alone - strange)
    low = interval(own, own + together, alpha)[0]
    high = interval(alone, alone + together, alpha)[1]
    # A third who slips as often, s, takes only 1 − s of the cases `alone` for what they are: r = 2s/(1 + 2s).
    most = min(1.0, high / (2 * (1 - high))) if high < 1 else 1.0
    return Share(share / (2 - share), low / (2 - low), most)


def _misjudged(alone: int, together: int) -> int:
    """How many slips of one kind a third has taken for the other kind who slips as often, where `alone` are left: with
    s = alone / (2 together) that is alone · s/(1 − s)."""
    return _rounded(alone**2, max(1, 2 * together - alone))


def _rounded(number: int, parts: int) -> int:
    return (2 * number + parts) // (2 * parts)
