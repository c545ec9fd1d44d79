"""Where records are, by a hash of their key: eight bytes a slot, where a dictionary of numbers takes a hundred."""

from array import array
from collections.abc import Iterator

# An entry is a hash above a place that begins with 1, so that 0 is a free slot.
HASH_BITS = PLACE_BITS = 32
_PLACE_MASK = (1 << PLACE_BITS) - 1

# Tables by the upper bits of the hash: one that grows copies a sixty-fourth of everything, which nobody notices.
_TABLE_BITS = 6

# Above two thirds, linear probing begins to look at many slots.
_FULL_NUMERATOR, _FULL_DENOMINATOR = 2, 3


class Places:
    """A multimap from hashes of 32 bits to places below 2**32 - 1. Different keys may have one hash: who asks about a
    key compares the key that stands at each place."""

    def __init__(self) -> None:
        self._tables = [_Table() for _ in range(1 << _TABLE_BITS)]

    def of(self, hashed: int) -> Iterator[int]:
        """Every place of a hash. Add and remove nothing meanwhile."""
        return self._tables[hashed >> (HASH_BITS - _TABLE_BITS)].of(hashed)

    def add(self, hashed: int, place: int) -> None:
        """Adds a place that is not there."""
        self._tables[hashed >> (HASH_BITS - _TABLE_BITS)].add(hashed, place)

    def remove(self, hashed: int, place: int) -> None:
        """Removes a place that is there."""
        self._tables[hashed >> (HASH_BITS - _TABLE_BITS)].remove(hashed, place)


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

    def add(self, hashed: int, place: int) -> None:
        self._used += 1
        if self._used * _FULL_DENOMINATOR > len(self._slots) * _FULL_NUMERATOR:
            before, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
            for entry in before:
                if entry:
                    self._put(entry)
        self._put(hashed << PLACE_BITS | (place + 1))

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

    def _put(self, entry: int) -> None:
        slots, mask = self._slots, len(self._slots) - 1
        slot = (entry >> PLACE_BITS) & mask
        while slots[slot]:
            slot = (slot + 1) & mask
        slots[slot] = entry
