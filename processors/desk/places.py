"""Where records are, by a hash of their key: eight bytes a slot, where a dictionary of numbers takes a hundred."""

from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# An entry is a hash above a place that begins with 1, so that 0 is a free slot.
HASH_BITS = PLACE_BITS = 32
_PLACE_MASK = (1 << PLACE_BITS) - 1

# Tables by the upper bits of the hash: one that grows copies a sixteenth of everything, 10 ms of three million entries.
# With more of them, each gets so few of a batch that numpy gains nothing.
_TABLE_BITS = 4

# Above two thirds, linear probing begins to look at many slots.
_FULL_NUMERATOR, _FULL_DENOMINATOR = 2, 3

UInts = NDArray[np.uint64]


class Places:
    """A multimap from hashes of 32 bits to places below 2**32 - 1. Different keys may have one hash: who asks about a
    key compares the key that stands at each place."""

    def __init__(self) -> None:
        self._tables = [_Table() for _ in range(1 << _TABLE_BITS)]

    def of(self, hashed: int) -> Iterator[int]:
        """Every place of a hash. Add and remove nothing meanwhile."""
        return self._tables[hashed >> (HASH_BITS - _TABLE_BITS)].of(hashed)

    def of_many(self, hashes: UInts) -> list[tuple[int, int]]:
        """Every place of every hash, as (index of the hash, place); in order of neither."""
        return [
            (int(members[index]), place)
            for table, members in self._by_table(hashes)
            for index, place in table.of_many(hashes[members])
        ]

    def add(self, hashed: int, place: int) -> None:
        """Adds a place that is not there."""
        self._tables[hashed >> (HASH_BITS - _TABLE_BITS)].add(hashed, place)

    def add_many(self, hashes: UInts, places: UInts) -> None:
        """Adds places that are not there, each to the hash of the same index."""
        for table, members in self._by_table(hashes):
            table.add_many(hashes[members], places[members])

    def remove(self, hashed: int, place: int) -> None:
        """Removes a place that is there."""
        self._tables[hashed >> (HASH_BITS - _TABLE_BITS)].remove(hashed, place)

    def _by_table(self, hashes: UInts) -> Iterator[tuple["_Table", NDArray[np.int64]]]:
        """The tables of some hashes, each with the indexes of its own."""
        numbers = hashes >> np.uint64(HASH_BITS - _TABLE_BITS)
        for number, table in enumerate(self._tables):
            members = np.flatnonzero(numbers == number)
            if len(members):
                yield table, members


class _Table:
    """Open addressing with linear probing; what follows a removed entry moves up, so that no gap hides it."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 16))
        self._used = 0

    def of(self, hashed: int) -> Iterator[int]:
        slots, mask = self._slots, len(self._slots) - 1
        slot = hashed & mask
        while entry := slots[slot]:
            if entry >> PLACE_BITS == hashed:
                yield (entry & _PLACE_MASK) - 1
            slot = (slot + 1) & mask

    def of_many(self, hashes: UInts) -> Iterator[tuple[int, int]]:
        slots, mask = np.frombuffer(self._slots, dtype=np.uint64), np.uint64(len(self._slots) - 1)
        asked, at = np.arange(len(hashes)), hashes & mask
        while len(asked):
            entries = slots[at]
            taken = entries != 0
            asked, at, entries = asked[taken], at[taken], entries[taken]
            for index in np.flatnonzero(entries >> np.uint64(PLACE_BITS) == hashes[asked]):
                yield int(asked[index]), (int(entries[index]) & _PLACE_MASK) - 1
            at = (at + np.uint64(1)) & mask

    def add(self, hashed: int, place: int) -> None:
        self._make_room(1)
        slots, mask = self._slots, len(self._slots) - 1
        slot = hashed & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = hashed << PLACE_BITS | (place + 1)

    def add_many(self, hashes: UInts, places: UInts) -> None:
        self._make_room(len(hashes))
        _insert(self._slots, hashes << np.uint64(PLACE_BITS) | (places + np.uint64(1)))

    def remove(self, hashed: int, place: int) -> None:
        slots, mask = self._slots, len(self._slots) - 1
        entry = hashed << PLACE_BITS | (place + 1)
        gap = hashed & mask
        while slots[gap] != entry:
            gap = (gap + 1) & mask
        self._used -= 1
        slot = (gap + 1) & mask
        while follower := slots[slot]:
            home = (follower >> PLACE_BITS) & mask
            # It may move to the gap unless its home lies behind the gap.
            if (slot - home) & mask >= (slot - gap) & mask:
                slots[gap] = follower
                gap = slot
            slot = (slot + 1) & mask
        slots[gap] = 0

    def _make_room(self, count: int) -> None:
        self._used += count
        size = len(self._slots)
        while self._used * _FULL_DENOMINATOR > size * _FULL_NUMERATOR:
            size *= 2
        if size > len(self._slots):
            before, self._slots = np.frombuffer(self._slots, dtype=np.uint64), array("Q", bytes(8 * size))
            _insert(self._slots, before[before != 0])


def _insert(table: "array[int]", entries: UInts) -> None:
    """Puts entries that are not there into a table that has room."""
    slots, mask = np.frombuffer(table, dtype=np.uint64), np.uint64(len(table) - 1)
    at = (entries >> np.uint64(PLACE_BITS)) & mask
    while len(entries):
        free = slots[at] == 0
        # Where several want one slot, one of them gets it.
        slots[at[free]] = entries[free]
        left = slots[at] != entries
        entries, at = entries[left], (at[left] + np.uint64(1)) & mask
