"""Puts verdicts back into the order in which their decisions arrived.

People work through their tasks by urgency: the doubtful ones come first and in clusters, audits last. A statistic that
is valid at every look needs an order that says nothing about the verdict, and the order of arrival is one.
"""

import heapq
from typing import Generic, TypeVar

T = TypeVar("T")

# Verdicts that a buffer holds back at most: as many as the windows of the monitors, some hundred bytes each. It is full
# when people overtake a decision that often within its service level; then it releases the oldest.
MAX_HELD = 20_000

# How long, in microseconds, a verdict waits at the longest for those that came before it, by the clock, also where
# service levels count working time: three days, the longest service level there is by default.
LONGEST_WAIT = 3 * 86_400_000_000


class ArrivalOrderBuffer(Generic[T]):
    """Verdicts on the decisions of one model version, held back until the watermark has passed their arrival.

    Every outcome carries the desk's watermark (field `settled_before`): all tasks of the model version that arrived
    before it are judged or past their service level. What waits for longer than `longest_wait` counts all the same.
    """

    def __init__(self, longest_wait: int = LONGEST_WAIT) -> None:
        self._longest_wait = longest_wait
        self._held: list[tuple[int, str, int, T]] = []
        self._count = 0

    @property
    def held(self) -> list[T]:
        """What is held back, in the order of arrival."""
        return [item for *_, item in sorted(self._held, key=lambda entry: entry[:3])]

    def add(self, item_id: str, arrived_at: int, watermark: int | None, item: T, now: int) -> list[T]:
        """Adds an item and returns those that can be counted now, in the order of arrival. Times in microseconds since
        the epoch; `now`: that of the verdict.

        `item_id` orders items of equal arrival. Without a watermark `item` is returned at once.
        """
        if watermark is None:
            return [item]
        self._count += 1  # so that items are never compared
        heapq.heappush(self._held, (arrived_at, item_id, self._count, item))
        return self.release(watermark, now)

    def release(self, watermark: int, now: int) -> list[T]:
        """Those that can be counted now, although no other has come."""
        before = max(watermark, now - self._longest_wait)
        ready = []
        while self._held and (self._held[0][0] < before or len(self._held) > MAX_HELD):
            ready.append(heapq.heappop(self._held)[-1])
        return ready
