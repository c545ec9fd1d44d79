"""How much is at stake, from 0 to 1, so that money cannot swamp doubt and waiting time in a weighted score."""

import math
from collections import deque

from sortedcontainers import SortedList

# Enough amounts that a rank has three digits, few enough that it follows prices and seasons.
WINDOW_SIZE = 1000

_UNKNOWN = 0.5

# What producers write, evenly spaced: only the order of the words is known.
_IMPACT_BY_WORD = {
    "none": 0.0,
    "negligible": 0.0,
    "minimal": 0.0,
    "very low": 0.0,
    "low": 0.25,
    "minor": 0.25,
    "small": 0.25,
    "medium": 0.5,
    "moderate": 0.5,
    "normal": 0.5,
    "high": 0.75,
    "major": 0.75,
    "large": 0.75,
    "very high": 1.0,
    "critical": 1.0,
    "severe": 1.0,
    "extreme": 1.0,
}


class ImpactScale:
    """The latest amounts that came to a queue."""

    def __init__(self, latest: int = WINDOW_SIZE) -> None:
        self._latest = latest
        self._arrived: deque[float] = deque()
        self._sorted = SortedList()

    def of(self, amount: float | None, word: str) -> float:
        """The impact of the next arrival, which from now on belongs to the scale.

        With an amount: the share of the latest amounts below it, equal ones and itself counting half. Without one: the
        producer's word for it if that is a usual one (another text counts as unknown: "not critical" must not become
        critical), else 0.5.
        """
        if amount is None or math.isnan(amount):
            return _IMPACT_BY_WORD.get(" ".join(word.casefold().split()), _UNKNOWN)
        self._arrived.append(amount)
        self._sorted.add(amount)
        if len(self._arrived) > self._latest:
            self._sorted.remove(self._arrived.popleft())
        below: int = self._sorted.bisect_left(amount)
        not_above: int = self._sorted.bisect_right(amount)
        return (below + not_above) / 2 / len(self._sorted)
