"""What a table of the latest ids remembers, against a dict that remembers everything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.processors.router.recent_ids import RecentIds

Record = tuple[int, int, int]


def _add(table: RecentIds, records: list[Record]) -> dict[int, tuple[int, int]]:
    """By index: offset and digest of the first record with the same hash, for those that are not the first."""
    hashes, offsets, digests = zip(*records, strict=True)
    rows, firsts, first_digests = table.add(
        np.array(hashes, np.uint64), np.array(offsets, np.int64), np.array(digests, np.uint32)
    )
    return {int(row): (int(first), int(digest)) for row, first, digest in zip(rows, firsts, first_digests, strict=True)}


# Few high bits, so that many different hashes want the same slot.
_hashes = st.builds(lambda high, low: (high << 60) | low, st.integers(0, 15), st.integers(1, 6))


@settings(max_examples=200, derandomize=True)
@given(st.lists(st.lists(st.tuples(_hashes, st.integers(0, 2**32 - 1)), min_size=1, max_size=30), max_size=8))
def test_the_first_record_of_a_hash_is_found_in_whatever_batches_the_records_come(
    batches: list[list[tuple[int, int]]],
) -> None:
    table, offset = RecentIds(10_000), 0
    known: dict[int, tuple[int, int]] = {}
    for batch in batches:
        records = []
        for hash_, digest in batch:
            records.append((hash_, offset, digest))
            offset += 1
        expected = {}
        for index, (hash_, at, digest) in enumerate(records):
            first = known.setdefault(hash_, (at, digest))
            if first[0] != at:
                expected[index] = first
        assert _add(table, records) == expected


def test_a_batch_that_is_read_again_is_judged_as_before() -> None:
    table = RecentIds(100)
    records = [(7, 1, 11), (8, 2, 12), (7, 3, 13)]

    first = _add(table, records)

    assert first == {2: (1, 11)}
    assert _add(table, records) == first
    assert _add(table, records[1:]) == {1: (1, 11)}


def test_what_stands_later_in_the_log_does_not_count() -> None:
    table = RecentIds(100)
    _add(table, [(7, 5, 15)])

    assert _add(table, [(7, 3, 13)]) == {}
    assert _add(table, [(7, 5, 15)]) == {0: (3, 13)}


@pytest.mark.parametrize("batch", [1, 7, 50])
def test_at_least_so_many_latest_ids_are_remembered_and_never_more_than_twice_as_many(batch: int) -> None:
    table, ids = RecentIds(50), 500
    for start in range(1, ids, batch):
        _add(table, [(number << 40, number, 0) for number in range(start, start + batch)])
    last = start + batch - 1

    again = [(number << 40, last + number, 0) for number in range(1, last + 1)]
    assert len(_add(table, again[last - 50 : last])) == 50
    assert _add(table, again[: last - 100 - batch][:10]) == {}


def test_an_id_that_comes_again_is_remembered_for_another_while() -> None:
    table = RecentIds(20)
    _add(table, [(1 << 60, 0, 9)])
    for number in range(1, 200):
        assert _add(table, [(1 << 60, number * 2, 9)]) == {0: (0, 9)}
        _add(table, [(number << 40, number * 2 + 1, 0)])
