"""Records that are kept for a time and hardly ever read: compressed together, out of Python's object heap.

Records whose time ends in the same hour share blocks, so that a block is given up as a whole. Its members get a timer
of their own only when their hour has begun.
"""

import heapq
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from interlock.processors.desk.places import HASH_BITS, Places, UInts

# Records of a block. Tasks with a sentence of a person take 380 bytes compressed alone, 187 by sixteens, 176 by 32 and
# 170 by 256; to read one back unpacks them all.
_BLOCK_BITS = 5
_BLOCK_SIZE = 1 << _BLOCK_BITS

# The fastest level; the third saves two in a hundred.
_LEVEL = 1

_HOUR = 3_600 * 1_000_000

# Before the keys and values of a block: when the time of each record ends, the lengths of the keys in characters and of
# the values in bytes. What is alike stands together, which compresses better.
_COLUMNS = struct.Struct(f"<{_BLOCK_SIZE}q{_BLOCK_SIZE}I{_BLOCK_SIZE}I")


class _Entry(NamedTuple):
    key: str
    value: bytes
    until: int


class _Block:
    """`entries` while records are added, then `packed`; `live`: how many of them are not removed or replaced."""

    __slots__ = ("entries", "hour", "live", "packed", "size")

    def __init__(self, hour: int) -> None:
        self.hour = hour
        self.entries: list[_Entry] | None = []
        self.packed = b""
        self.size = 0
        self.live = 0


class PackedRecords:
    """Values by key, each with the instant, in microseconds since the epoch, at which its time ends."""

    def __init__(self) -> None:
        self._places = Places()
        self._blocks: list[_Block | None] = []
        self._free: list[int] = []
        self._count = 0
        # By the hour in which their time ends: the blocks, and which of them takes more records.
        self._hours: dict[int, set[int]] = {}
        self._growing: dict[int, int] = {}
        self._future_hours: list[int] = []
        self._begun = -1
        self._soon: list[tuple[int, str]] = []
        self._unpacked: tuple[int, list[_Entry]] = -1, []

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: str) -> bool:
        return self._find(key) is not None

    def __iter__(self) -> Iterator[str]:
        """Every key. Change nothing meanwhile."""
        for number, block in enumerate(self._blocks):
            if block is not None:
                yield from (entry.key for entry in self._living(number))

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        found = self._find(key)
        return None if found is None else found[1].value

    def put(self, key: str, value: bytes, until: int) -> None:
        """Keeps a value, instead of the one before."""
        self.remove(key)
        self._places.add(_hash(key), self._append(until // _HOUR, [_Entry(key, value, until)]))

    def put_many(self, keys: Sequence[str], values: Sequence[bytes], untils: NDArray[np.int64]) -> None:
        """The same for many keys, all different, in a tenth of the time."""
        hashes = _hashes(keys)
        self._remove_many(keys, hashes)
        places = np.empty(len(keys), dtype=np.uint64)
        ends = untils.tolist()
        hours = untils // _HOUR
        by_hour = np.argsort(hours, kind="stable")
        for members in np.split(by_hour, np.flatnonzero(np.diff(hours[by_hour])) + 1):
            start = 0
            while start < len(members):
                hour = ends[members[0]] // _HOUR
                some = members[start : start + self._room(hour)]
                first = self._append(hour, [_Entry(keys[i], values[i], ends[i]) for i in some.tolist()])
                places[some] = np.arange(first, first + len(some))
                start += len(some)
        self._places.add_many(hashes, places)

    def remove(self, key: str) -> None:
        """Removes a key, if it is there."""
        found = self._find(key)
        if found is not None:
            self._remove(key, found[0])

    def remove_many(self, keys: Sequence[str]) -> None:
        """Removes those of the keys, all different, that are there."""
        self._remove_many(keys, _hashes(keys))

    def due(self, now: int) -> Iterator[str]:
        """The keys whose time has ended by `now`, the earliest first: each once, and there until it is removed."""
        while self._future_hours and self._future_hours[0] <= now // _HOUR:
            self._begin_hour()
        self._begun = max(self._begun, now // _HOUR)
        while self._soon and self._soon[0][0] <= now:
            until, key = heapq.heappop(self._soon)
            found = self._find(key)
            if found is not None and found[1].until == until:
                yield key

    def first(self) -> int | None:
        """The first instant at which the time of a value ends; None if there is nothing, or it has come as due."""
        while self._soon or self._future_hours:
            if not self._soon:
                self._begin_hour()
                continue
            until, key = self._soon[0]
            found = self._find(key)
            if found is not None and found[1].until == until:
                return until
            heapq.heappop(self._soon)
        return None

    def oldest(self) -> list[str]:
        """The keys of one of the blocks whose time ends first; empty if there is nothing."""
        if not self._hours:
            return []
        return [entry.key for entry in self._living(min(self._hours[min(self._hours)]))]

    def _begin_hour(self) -> None:
        """Gives a timer to every record of the next hour that has any."""
        self._begun = heapq.heappop(self._future_hours)
        for number in self._hours.get(self._begun, ()):
            for entry in self._living(number):
                heapq.heappush(self._soon, (entry.until, entry.key))

    def _room(self, hour: int) -> int:
        """How many records the block of an hour takes that takes more; of a new one if there is none."""
        number = self._growing.get(hour)
        entries = None if number is None else self._block(number).entries
        return _BLOCK_SIZE - len(entries or ())

    def _append(self, hour: int, entries: list[_Entry]) -> int:
        """Puts records, no more than there is room for, into the block of their hour. Returns the place of the first;
        the others follow it."""
        number = self._growing.get(hour)
        if number is None:
            number = self._growing[hour] = self._new_block(hour)
        block = self._block(number)
        assert block.entries is not None
        first = number << _BLOCK_BITS | len(block.entries)
        block.entries += entries
        block.live += len(entries)
        self._count += len(entries)
        if len(block.entries) == _BLOCK_SIZE:
            del self._growing[hour]
            _pack(block)
        if hour <= self._begun:
            for entry in entries:
                heapq.heappush(self._soon, (entry.until, entry.key))
        return first

    def _remove_many(self, keys: Sequence[str], hashes: UInts) -> None:
        # By place, so that a block is unpacked once.
        for index, place in sorted(self._places.of_many(hashes), key=itemgetter(1)):
            if self._at(place).key == keys[index]:
                self._remove(keys[index], place)

    def _remove(self, key: str, place: int) -> None:
        self._places.remove(_hash(key), place)
        self._count -= 1
        number = place >> _BLOCK_BITS
        block = self._block(number)
        block.live -= 1
        if not block.live:
            self._give_up(number, block)

    def _find(self, key: str) -> tuple[int, _Entry] | None:
        for place in self._places.of(_hash(key)):
            entry = self._at(place)
            if entry.key == key:
                return place, entry
        return None

    def _at(self, place: int) -> _Entry:
        return self._entries(place >> _BLOCK_BITS)[place & _BLOCK_SIZE - 1]

    def _living(self, number: int) -> list[_Entry]:
        """The records of a block that are neither removed nor replaced."""
        return [
            entry
            for slot, entry in enumerate(self._entries(number))
            if number << _BLOCK_BITS | slot in self._places.of(_hash(entry.key))
        ]

    def _entries(self, number: int) -> list[_Entry]:
        block = self._block(number)
        if block.entries is not None:
            return block.entries
        if self._unpacked[0] != number:
            self._unpacked = number, list(_unpack(block))
        return self._unpacked[1]

    def _block(self, number: int) -> _Block:
        block = self._blocks[number]
        assert block is not None
        return block

    def _new_block(self, hour: int) -> int:
        block = _Block(hour)
        if self._free:
            number = self._free.pop()
            self._blocks[number] = block
        else:
            number = len(self._blocks)
            self._blocks.append(block)
        if hour not in self._hours:
            self._hours[hour] = set()
            if hour > self._begun:
                heapq.heappush(self._future_hours, hour)
        self._hours[hour].add(number)
        return number

    def _give_up(self, number: int, block: _Block) -> None:
        self._blocks[number] = None
        self._free.append(number)
        if self._unpacked[0] == number:
            self._unpacked = -1, []
        if self._growing.get(block.hour) == number:
            del self._growing[block.hour]
        self._hours[block.hour].discard(number)
        if not self._hours[block.hour]:
            del self._hours[block.hour]


def _hash(key: str) -> int:
    return hash(key) & (1 << HASH_BITS) - 1


def _hashes(keys: Sequence[str]) -> UInts:
    """What `_hash` gives for each."""
    return np.fromiter(map(hash, keys), np.int64, len(keys)).view(np.uint64) & np.uint64((1 << HASH_BITS) - 1)


def _pack(block: _Block) -> None:
    keys, values, untils = zip(*block.entries or (), strict=True)
    columns = _COLUMNS.pack(*untils, *map(len, keys), *map(len, values))
    data = b"".join((columns, "".join(keys).encode(), *values))
    block.size = len(data)
    # Straight into bytes, it would be written where three times as much was asked for, and leave holes in the memory.
    block.packed = _codec().compress(data).to_pybytes()
    block.entries = None


def _unpack(block: _Block) -> Iterator[_Entry]:
    data: bytes = _codec().decompress(block.packed, block.size, asbytes=True)
    columns = _COLUMNS.unpack_from(data)
    untils, key_lengths, value_lengths = (columns[i : i + _BLOCK_SIZE] for i in range(0, len(columns), _BLOCK_SIZE))
    value = len(data) - sum(value_lengths)
    keys = data[_COLUMNS.size : value].decode()
    key = 0
    for until, key_length, value_length in zip(untils, key_lengths, value_lengths, strict=True):
        yield _Entry(keys[key : key + key_length], data[value : value + value_length], until)
        key += key_length
        value += value_length


@cache
def _codec() -> pa.Codec:
    return pa.Codec("zstd", compression_level=_LEVEL)
