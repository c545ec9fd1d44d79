"""Open work in a lane: what of its evidence was chosen for people and never judged, at worst.

A promise of α about all decisions is one of α / most(s) about those that people judged, where they judged the share s:
what they left is taken to err at most UNANSWERED_FACTOR times as often (`learning.answered`). Evidence for a limit of
c·α holds at every look, whatever share was answered. At a look with 1 / most(s) ≥ c, more than α of all means more than
c·α of what was judged; so the limit may follow the share, which is observed, up and down, and needs no risk of its own:
evidence for a lower limit never exceeds that for a higher one, so one false limit stands for all below it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from interlock.learning.answered import Answered, answered_of
from interlock.processors.proposals.examples import Example


@dataclass(frozen=True, slots=True)
class Answers:
    """`share`: of the decisions that the evidence stands for, weighted by 1/π, how many were judged, at least. `ways`:
    the same by way, in numbers of tasks."""

    share: float = 1.0
    ways: tuple[tuple[str, Answered], ...] = ()

    def __str__(self) -> str:
        """Of the ways with open work: "97 of 100 audits answered"."""
        return " and ".join(answered_of(way, each) for way, each in self.ways if each.judged < each.settled)


class OpenWork:
    """Of the examples of one lane since its evidence began.

    The desk counts by domain and model version, so all that is open there is taken to be this lane's. Assumes that the
    groups and confidences in a lane are answered alike, as far as UNANSWERED_FACTOR does not cover that they are not.
    """

    def __init__(self) -> None:
        self._judged: Counter[str] = Counter()
        self._decisions: defaultdict[str, float] = defaultdict(float)
        self._first: dict[str, Answered] = {}

    def add(self, example: Example) -> None:
        """Adds an example of the lane."""
        self._judged[example.way] += 1
        self._decisions[example.way] += 1 / example.propensity
        if example.answered is not None:
            self._first.setdefault(example.way, example.answered)

    def answers(self, newest: Mapping[str, Answered]) -> Answers:
        """`newest`: by way, what the desk has counted so far in the domain and model version."""
        ways = []
        judged = chosen = 0.0
        for way, count in sorted(self._judged.items()):
            since = newest[way] - self._first[way] if way in newest and way in self._first else Answered(0, 0)
            # Late verdicts may make more judged than settled.
            each = Answered(count + max(0, since.settled - since.judged), count)
            ways.append((way, each))
            judged += self._decisions[way]
            chosen += self._decisions[way] / each.share
        return Answers(judged / chosen if chosen else 1.0, tuple(ways))
