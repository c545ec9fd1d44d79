"""Sorted lists of waiting tasks whose order depends on the instant; times in microseconds since the epoch.

They hold keys that end with when the task began to wait and its id, which decide between equals. Adding, removing and
finding the first take O(log n). Add and remove nothing, and ask about no other instant, while iterating over an order.
"""

import math
from collections.abc import Iterator
from heapq import merge
from itertools import chain
from typing import Any

from sortedcontainers import SortedList

# Waiting counts up to a day, the service level of medium work. If it counted further, age would outweigh everything
# under overload and the order would be that of arrival; deadlines (on_breach) and floors save what scores low.
FULL_WAIT = 24 * 3600 * 1_000_000

Key = tuple[Any, ...]


class ByDeadline:
    """Keys (the desk has raised its breach alert, deadline, since, id): the earliest deadline first, late ones last."""

    def __init__(self) -> None:
        self._keys = SortedList()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key) -> None:
        """Adds a key that is not there."""
        self._keys.add(key)

    def remove(self, key: Key) -> None:
        """Removes a key that is there."""
        self._keys.remove(key)

    def in_order(self, now: int) -> Iterator[str]:
        """Every id once, best first."""
        # Late by the clock, whether or not the desk has raised the alert yet.
        in_time = self._keys.irange((False, now + 1), (True,))
        alerted, unalerted = self._keys.irange((True,), None), self._keys.irange(None, (False, now + 1))
        return (key[-1] for key in chain(in_time, merge(unalerted, alerted, key=lambda key: key[1:])))

    def rank(self, key: Key, now: int) -> int:
        """The rank, from 1, of a key that is there."""
        before: int = self._keys.bisect_left(key)
        first, alerted = (self._keys.bisect_left(start) for start in ((False, now + 1), (True,)))
        if first <= before < alerted:
            return int(before - first + 1)
        late, late_and_alerted = (self._keys.bisect_left((flag, *key[1:])) for flag in (False, True))
        return int(alerted - first + min(late, first) + late_and_alerted - alerted + 1)


class ByScore:
    """Keys (since - head start, since, id): the greatest head start and waiting together first.

    The head start is the score as a time: as if the task had come so much earlier. Until tasks have waited fully, all
    age at the same rate and their keys give the order; from then on their head starts do. A list by `since` finds those
    that pass from the one list to the other between two instants, a few microseconds for each. If time goes back they
    pass back.
    """

    def __init__(self) -> None:
        self._by_since = SortedList()
        self._growing = SortedList()
        self._grown = SortedList()
        # Tasks that began to wait by then have waited fully.
        self._full_since: float = -math.inf

    def __len__(self) -> int:
        return len(self._by_since)

    def add(self, key: Key) -> None:
        """Adds a key that is not there."""
        self._by_since.add((key[1], key))
        if key[1] <= self._full_since:
            self._grown.add(_grown(key))
        else:
            self._growing.add(key)

    def remove(self, key: Key) -> None:
        """Removes a key that is there."""
        self._by_since.remove((key[1], key))
        if key[1] <= self._full_since:
            self._grown.remove(_grown(key))
        else:
            self._growing.remove(key)

    def in_order(self, now: int) -> Iterator[str]:
        """Every id once, best first."""
        self._move(now)
        grown = ((lead + now, since, task_id) for lead, since, task_id in self._grown)
        return (key[-1] for key in merge(self._growing, grown))

    def rank(self, key: Key, now: int) -> int:
        """The rank, from 1, of a key that is there."""
        self._move(now)
        lead = max(key[0] - now, _grown(key)[0])
        growing, grown = (lead + now, *key[1:]), (lead, *key[1:])
        return int(self._growing.bisect_left(growing) + self._grown.bisect_left(grown) + 1)

    def _move(self, now: int) -> None:
        before, self._full_since = self._full_since, now - FULL_WAIT
        for key in self._between(before, self._full_since):
            self._growing.remove(key)
            self._grown.add(_grown(key))
        for key in self._between(self._full_since, before):
            self._grown.remove(_grown(key))
            self._growing.add(key)

    def _between(self, after: float, until: float) -> Iterator[Key]:
        """The keys of those that began to wait after one instant and until the other."""
        return (key for _, key in self._by_since.irange((after + 1,), (until + 1,)))


def _grown(key: Key) -> Key:
    """The key of what has waited fully: the head start and the full wait, less is better, then since and id."""
    return key[0] - key[1] - FULL_WAIT, *key[1:]
