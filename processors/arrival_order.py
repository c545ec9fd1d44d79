"""Puts judged decisions back into the order in which they arrived.

People work through their tasks by urgency: the doubtful come first and in clusters, audits last. A statistic that is
valid at every look needs an order that says nothing about the verdict, and the order of arrival is one.
"""

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")

# The most verdicts that are held back: as many as the windows of the monitors, some hundred bytes each. The limit is
# reached where people overtake a decision that often within its service level; then the oldest are released.
MAX_HELD = 20_000


class ArrivalOrderBuffer(Generic[T]):
    """Verdicts on the decisions of one model version, each held back until all that came before it were judged, or
    have waited beyond their service level: the desk says so with every outcome (`settled_before`)."""

    def __init__(self) -> None:
        self._held: list[tuple[int, str, int, T]] = []
        self._count = 0

    def add(self, name: str, arrived_at: int, settled_before: int | None, item: T) -> list[T]:
        """What can be counted now, in the order of arrival. Times in microseconds since the epoch.

        `name` orders what came together. `settled_before` None: unknown, and `item` counts as it comes.
        """
        if settled_before is None:
            return [item]
        self._count += 1  # so that items are never compared
        heapq.heappush(self._held, (arrived_at, name, self._count, item))
        ready = []
        while self._held and (self._held[0][0] < settled_before or len(self._held) > MAX_HELD):
            ready.append(heapq.heappop(self._held)[-1])
        return ready
