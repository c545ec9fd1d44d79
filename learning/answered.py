"""Open work in numbers: what follows from the decisions that were chosen for a person and that nobody has judged.

The desk counts by way (`processors/outcomes.py`) how many chosen decisions are no longer waited for, and how many of
these a person has judged. Whoever estimates weighs each verdict by 1/(π · answered share) and widens the interval: what
was not answered is taken to err between never and UNANSWERED_FACTOR times as often as what was (a pattern-mixture
model, Little 1993, "Pattern-mixture models for multivariate incomplete data"). Below a stated share nothing is said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

# People look at the doubtful first, or at the easy first. In the simulations of bench/gates/estimates.py, in which
# errors grow with doubt from nothing to twice their mean, what is left errs less than twice as often as what was judged
# as long as half is answered.
UNANSWERED_FACTOR = 2.0

# Below it nothing is certified, proposed or requested. With four fifths answered the factor moves a rate by a fifth at
# most: less than the audits of a first certificate leave to chance.
MIN_ANSWERED = 0.8

# Below it no interval is shown: more is guessed than known.
MIN_SHOWN = 0.5

_NOUNS = {"audit": "audits", "async": "async reviews", "sync": "sync reviews", "manual": "manual reviews"}


@dataclass(frozen=True, slots=True)
class Answered:
    """Of what was chosen on one way: `settled`, no longer waited for (judged, late, or ended without a person), and
    `judged`, those with a person's verdict. Of a span: the difference of both between its end and its start."""

    settled: int
    judged: int

    @property
    def share(self) -> float:
        """In [0, 1]; 1 where nothing is settled, as nothing is missing. Late verdicts may make `judged` the larger."""
        return min(1.0, self.judged / self.settled) if self.settled > 0 else 1.0

    def enough(self, minimum: float = MIN_ANSWERED) -> bool:
        """Whether the share reaches `minimum`."""
        return self.share >= minimum

    def __add__(self, other: "Answered") -> "Answered":
        """Of two ways, or of two spans, together."""
        return Answered(self.settled + other.settled, self.judged + other.judged)

    def __sub__(self, earlier: "Answered") -> "Answered":
        """Of the span since `earlier`."""
        return Answered(self.settled - earlier.settled, self.judged - earlier.judged)

    def later_of(self, other: "Answered") -> "Answered":
        """Of two counts of the same span, which only grow, the ends that were reached last."""
        return Answered(max(self.settled, other.settled), max(self.judged, other.judged))


def span(told: Iterable[tuple[int | None, int | None]], *, from_start: bool = False) -> Answered | None:
    """What was answered over the verdicts of one way, from the `way_settled` and `way_judged` of each, in any order.

    Both only grow, so the smallest and the largest are the ends. `from_start`: the verdicts begin with the model
    version, so what ended without a person before the first of them counts as well. None: nobody has told.
    """
    known = [(settled, judged) for settled, judged in told if settled is not None and judged is not None]
    if not known:
        return None
    settled, judged = zip(*known, strict=True)
    last = Answered(max(settled), max(judged))
    return last if from_start else last - Answered(min(settled), min(judged))


def missing(ways: Mapping[str, Answered | None], minimum: float = MIN_ANSWERED) -> tuple[str, ...]:
    """For each way below `minimum`, for a person: "63 of 100 audits answered, 80 needed". Ways that nobody has told of
    are not missing: their verdicts are older than the counts."""
    return tuple(
        f"{answered_of(way, answered)}, "
        # Without the rounding 0.8 of 35 would be 28.000000000000004, of which 29 is the next whole number.
        f"{ceil(round(minimum * answered.settled, 9))} needed"
        for way, answered in sorted(ways.items())
        if answered is not None and not answered.enough(minimum)
    )


def read(ways: Iterable[Mapping[str, Any]]) -> dict[str, Answered]:
    """By way, from the field `answered` of a `RetrainingRequest` or of its proposal's evidence."""
    return {each["way"]: Answered(each["settled"], each["judged"]) for each in ways}


def said(ways: Mapping[str, Answered]) -> str:
    """For a person: "92 of 100 audits, 340 of 350 async reviews"."""
    return ", ".join(
        f"{answered.judged:,} of {answered.settled:,} {_NOUNS.get(way, way)}" for way, answered in sorted(ways.items())
    )


def answered_of(way: str, answered: Answered) -> str:
    """For a person: "63 of 100 audits answered"."""
    return f"{answered.judged} of {answered.settled} {_NOUNS.get(way, way)} answered"


def most(share: float, factor: float = UNANSWERED_FACTOR) -> float:
    """The rate of all divided by the rate of what was answered, at most: a promise of α about all is one of α / most
    about what was answered. At least it is `share` itself, if nothing unanswered is wrong."""
    return share + (1 - share) * factor


def widened(
    low: float, high: float, share: float, unanswered: float | None = None, factor: float = UNANSWERED_FACTOR
) -> tuple[float, float]:
    """The interval of the rate of all, from `low` to `high` of what was answered, `share` of all in (0, 1].

    `unanswered`: how often the rest is expected to err, where more than the way is known of it; None: as what was
    answered. It cannot err more often than always.
    """
    rest = high if unanswered is None else unanswered
    return share * low, share * high + (1 - share) * min(1.0, factor * rest)
