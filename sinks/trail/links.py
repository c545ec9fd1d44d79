"""Hash chains: every row's link covers its own digest and the link before it, and so all rows before it."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

import pyarrow as pa

from interlock.sinks.trail.leaf import leaves

LINK_BYTES = 32

# A row of before the trail: ClickHouse fills the column with zeros.
NOT_LINKED = bytes(LINK_BYTES)

_LINK, _BEGINNING = b"interlock link 1\0", b"interlock chain 1\0"


def beginning(stream: str, topic: str, partition: int) -> bytes:
    """What stands before the first link of the chain of a partition: no two chains begin alike."""
    place = f"{len(stream)}:{stream}{len(topic)}:{topic}{partition}"
    return hashlib.sha256(_BEGINNING + place.encode()).digest()


def link(previous: bytes, leaf: bytes) -> bytes:
    """The link of a row, from the link of the row before and its own digest."""
    return hashlib.sha256(_LINK + previous + leaf).digest()


def links(previous: bytes, digests: Iterable[bytes]) -> Iterator[bytes]:
    """The links of rows that follow each other."""
    for leaf in digests:
        previous = link(previous, leaf)
        yield previous


def linked(rows: pa.Table, shape: pa.Schema, previous: bytes, held: Mapping[int, bytes]) -> pa.Table:
    """`rows` of one partition in the order of their offsets, with their links as column `link`.

    `shape`: as for `leaves`. `previous`: the link of the row before, or the chain's beginning. `held`: links that are
    stored already, by offset; a row behind one of them is linked to it, whatever it should have been.
    """
    offsets: list[int] = rows["kafka_offset"].to_pylist()
    # Only unreadable records and tombstones stand elsewhere, and to sort wide rows takes a fifth of the time.
    if any(offset > following for offset, following in pairwise(offsets)):
        rows = rows.sort_by("kafka_offset")
        offsets.sort()
    digests = dict(zip(offsets, leaves(rows, shape), strict=True))
    made = {offset: stored for offset, stored in held.items() if stored != NOT_LINKED}
    for offset in sorted({*offsets, *made}):
        if offset not in made:
            made[offset] = link(previous, digests[offset])
        previous = made[offset]
    return rows.append_column("link", pa.array([made[offset] for offset in offsets], pa.binary(LINK_BYTES)))
