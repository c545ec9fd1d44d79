"""A hash table of the latest decision ids, on columns: where each stands in the log, and a digest of its content.

What it holds are facts of the log (this id stands at this offset with this content), so nothing has to be undone when a
batch is dropped and read again, or when another router has read a partition meanwhile.
"""

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Offsets = NDArray[np.int64]
Digests = NDArray[np.uint32]
Rows = NDArray[np.intp]
Slots = NDArray[np.int64]

# Linear probing takes one or two steps at this load, and many more when a table is nearly full.
_MAX_LOAD = 0.5


class RecentIds:
    """Remembers at least the latest `ids` ids, at most twice as many. 20 bytes a slot: 84 MB for each million of `ids`,
    taken as it fills."""

    def __init__(self, ids: int) -> None:
        self._ids = ids
        self._new, self._old = _Generation(ids), _Generation(1)

    def add(self, hashes: Hashes, offsets: Offsets, digests: Digests) -> tuple[Rows, Offsets, Digests]:
        """Remembers records; returns which of them are not the first of their hash, with the first one's offset and
        digest.

        Hashes are above zero. An id that comes again is remembered for another while. What is known of later offsets
        does not count, because a batch may be read again.
        """
        # A generation is full when it has `ids`. With so many at a time a slot of it is always free, without which
        # probing would not end.
        size = max(1, self._ids // 2)
        found = []
        for start in range(0, max(1, len(hashes)), size):
            part = slice(start, start + size)
            rows, firsts, first_digests = self._add(hashes[part], offsets[part], digests[part])
            found.append((rows + start, firsts, first_digests))
        all_rows, all_firsts, all_digests = zip(*found, strict=True)
        return np.concatenate(all_rows), np.concatenate(all_firsts), np.concatenate(all_digests)

    def _add(self, hashes: Hashes, offsets: Offsets, digests: Digests) -> tuple[Rows, Offsets, Digests]:
        # Neighbouring hashes have neighbouring slots: sorting costs far less than the cache misses that it spares.
        order = np.argsort(hashes)
        ordered = hashes[order]
        slots, known = self._new.find(ordered)
        if known.any() or (ordered[1:] == ordered[:-1]).any() or self._old.knows_any(ordered):
            repeated = self._add_repeated(hashes, offsets, digests)
        else:
            self._new.insert(slots, ordered, offsets[order], digests[order])
            repeated = np.empty(0, np.intp), np.empty(0, np.int64), np.empty(0, np.uint32)
        if self._new.count >= self._ids:
            self._new, self._old = _Generation(self._ids), self._new
        return repeated

    def _add_repeated(self, hashes: Hashes, offsets: Offsets, digests: Digests) -> tuple[Rows, Offsets, Digests]:
        """The general case: some are known, or have come twice."""
        order = np.lexsort((offsets, hashes))
        ordered = hashes[order]
        first = order[np.append(True, ordered[1:] != ordered[:-1])]
        _, known = self._new.find(hashes[first])
        self._insert_unknown(hashes[first[~known]], offsets[first[~known]], digests[first[~known]])
        slots, _ = self._new.find(hashes[first])
        earlier = offsets[first] < self._new.offsets[slots]
        self._new.offsets[slots[earlier]] = offsets[first[earlier]]
        self._new.digests[slots[earlier]] = digests[first[earlier]]
        slots, _ = self._new.find(hashes)
        repeated = np.flatnonzero(self._new.offsets[slots] != offsets)
        return repeated, self._new.offsets[slots[repeated]], self._new.digests[slots[repeated]]

    def _insert_unknown(self, hashes: Hashes, offsets: Offsets, digests: Digests) -> None:
        slots, known = self._old.find(hashes)
        offsets = np.where(known, self._old.offsets[slots], offsets)
        digests = np.where(known, self._old.digests[slots], digests)
        slots, _ = self._new.find(hashes)
        self._new.insert(slots, hashes, offsets, digests)


class _Generation:
    """Open addressing, from which nothing is deleted."""

    def __init__(self, ids: int) -> None:
        bits = (round(ids / _MAX_LOAD) - 1).bit_length()
        self._last = (1 << bits) - 1
        self._shift = np.uint64(64 - bits)
        # Zeros come from calloc: a page takes memory when its first slot is used.
        self._hashes: Hashes = np.zeros(1 << bits, np.uint64)
        self.offsets: Offsets = np.zeros(1 << bits, np.int64)
        self.digests: Digests = np.zeros(1 << bits, np.uint32)
        self.count = 0

    def find(self, hashes: Hashes) -> tuple[Slots, NDArray[np.bool_]]:
        """The slot of each hash, and whether it is there; else the slot is the free one where it belongs."""
        slots = (hashes >> self._shift).astype(np.int64)
        found = self._hashes[slots]
        known = found == hashes
        other = np.flatnonzero(~known & (found != 0))
        while other.size:
            slots[other] = (slots[other] + 1) & self._last
            found = self._hashes[slots[other]]
            known[other] = found == hashes[other]
            other = other[(found != 0) & (found != hashes[other])]
        return slots, known

    def knows_any(self, hashes: Hashes) -> bool:
        return bool(self.count) and bool(self.find(hashes)[1].any())

    def insert(self, slots: Slots, hashes: Hashes, offsets: Offsets, digests: Digests) -> None:
        """Puts hashes that are not there, each once, into the `slots` that `find` gave."""
        self.count += len(hashes)
        while True:
            self._hashes[slots] = hashes
            # Several may have been given the same free slot: one has it now, the others look for the next one.
            placed = self._hashes[slots] == hashes
            self.offsets[slots[placed]] = offsets[placed]
            self.digests[slots[placed]] = digests[placed]
            if placed.all():
                return
            hashes, offsets, digests = hashes[~placed], offsets[~placed], digests[~placed]
            slots, _ = self.find(hashes)
