"""Sorted lists of waiting tasks whose order depends on the instant; times in microseconds since the epoch.

They hold keys that end with when the task began to wait and its id, which decide between equals. Adding, removing and
finding the first take O(log n). Add and remove nothing, and ask about no other instant, while iterating over an order.

What comes out are places: tuples that end with the id and compare with those of other lists of the same type, so that
several lists can be merged. A place holds for the instant it was asked for.
"""

import math
from collections.abc import Iterator
from heapq import merge
from itertools import chain
from typing import Any, Protocol

from sortedcontainers import SortedList

# Waiting counts up to a day, the service level of medium work. If it counted further, age would outweigh everything
# under overload and the order would be that of arrival; deadlines (on_breach) and floors save what scores low.
FULL_WAIT = 24 * 3600 * 1_000_000

Key = tuple[Any, ...]


class SortedTasks(Protocol):
    """Waiting tasks in order."""

    def __len__(self) -> int: ...

    def add(self, key: Key) -> None:
        """Adds a key that is not there."""

    def remove(self, key: Key) -> None:
        """Removes a key that is there."""

    def any_id(self) -> str:
        """One of the ids; the list is not empty."""

    def first(self, now: int, /) -> Key:
        """The place of the first; the list is not empty."""

    def in_order(self, now: int, /) -> Iterator[Key]:
        """Every place, best first."""

    def rank(self, key: Key, now: int, /) -> int:
        """The rank, from 1, of a key that is there."""


class ByKey:
    """Keys that give the order by themselves, at every instant."""

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

    def any_id(self) -> str:
        """One of the ids; the list is not empty."""
        return str(self._keys[0][-1])

    def first(self, now: int, /) -> Key:
        """The place of the first; the list is not empty."""
        return next(self.in_order(now))

    def in_order(self, _now: int, /) -> Iterator[Key]:
        """Every place, best first."""
        return iter(self._keys)

    def rank(self, key: Key, _now: int, /) -> int:
        """The rank, from 1, of a key that is there."""
        return int(self._keys.bisect_left(key)) + 1


class ByDeadline(ByKey):
    """Keys (standing, deadline, since, id): the earliest deadline first, late ones last.

    Standing is -1 for what goes before all others, 1 where the desk has raised the alert that the deadline passed, and
    0 for the rest.
    """

    def first(self, now: int, /) -> Key:
        """The place of the first; the list is not empty."""
        least: Key = self._keys[0]
        standing, deadline = least[:2]
        # As a rule nothing is late.
        return least if standing < 0 or (standing == 0 and deadline > now) else next(self.in_order(now))

    def in_order(self, now: int, /) -> Iterator[Key]:
        """Every place, best first."""
        # Late by the clock, whether or not the desk has raised the alert yet.
        first, in_time = self._keys.irange(None, (0,)), self._keys.irange((0, now + 1), (1,))
        alerted, unalerted = self._keys.irange((1,), None), self._keys.irange((0,), (0, now + 1))
        late = ((1, *key[1:]) for key in merge(unalerted, alerted, key=lambda key: key[1:]))
        return chain(first, in_time, late)

    def rank(self, key: Key, now: int, /) -> int:
        """The rank, from 1, of a key that is there."""
        before: int = self._keys.bisect_left(key)
        late, in_time, alerted = (self._keys.bisect_left(start) for start in ((0,), (0, now + 1), (1,)))
        if before < late:
            return int(before + 1)
        if in_time <= before < alerted:
            return int(late + before - in_time + 1)
        as_late, as_alerted = (self._keys.bisect_left((standing, *key[1:])) for standing in (0, 1))
        return int(alerted - in_time + min(as_late, in_time) + as_alerted - alerted + 1)


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

    def any_id(self) -> str:
        """One of the ids; the list is not empty."""
        return str(self._by_since[0][1][-1])

    def first(self, now: int, /) -> Key:
        """The place of the first; the list is not empty."""
        return next(self.in_order(now))

    def in_order(self, now: int, /) -> Iterator[Key]:
        """Every place, best first."""
        self._move(now)
        grown = ((lead + now, since, task_id) for lead, since, task_id in self._grown)
        return merge(self._growing, grown)

    def rank(self, key: Key, now: int, /) -> int:
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
