"""Packed records behave as a dictionary whose entries have an end, whatever is put, replaced and removed."""

from random import Random

import numpy as np
import pytest

from interlock.processors.desk.packed_records import PackedRecords
from interlock.processors.desk.places import Places

MINUTE = 60_000_000
HOUR = 60 * MINUTE


@pytest.mark.parametrize("seed", range(20))
def test_they_are_a_dictionary(seed: int) -> None:
    dice = Random(seed)
    packed = PackedRecords()
    kept: dict[str, tuple[bytes, int]] = {}
    now = 0
    spread = dice.choice([MINUTE, HOUR, 50 * HOUR])
    for _ in range(2_000):
        key = f"key ñ {dice.randrange(300)}"
        match dice.randrange(10):
            case 0 | 1 | 2 | 3:
                value, until = dice.randbytes(dice.randrange(40)), now + dice.randrange(spread)
                packed.put(key, value, until)
                kept[key] = value, until
            case 4 | 5:
                packed.remove(key)
                kept.pop(key, None)
            case 6:
                now += dice.randrange(spread // 10)
                ended = list(packed.due(now))
                assert [kept[key][1] for key in ended] == sorted(kept[key][1] for key in ended)
                # A key may have been put twice with one end.
                assert sorted(set(ended)) == sorted(key for key, (_, until) in kept.items() if until <= now)
                for key in ended:
                    packed.remove(key)
                    kept.pop(key, None)
            case 7:
                keys = [f"key ñ {number}" for number in dice.sample(range(300), dice.randrange(100))]
                ends = [now + dice.randrange(spread) for _ in keys]
                values = [dice.randbytes(dice.randrange(40)) for _ in keys]
                packed.put_many(keys, values, np.array(ends, dtype=np.int64))
                kept |= dict(zip(keys, zip(values, ends, strict=True), strict=True))
            case 8:
                keys = [f"key ñ {number}" for number in dice.sample(range(300), dice.randrange(30))]
                packed.remove_many(keys)
                for removed in keys:
                    kept.pop(removed, None)
            case _:
                assert packed.get(key) == (kept[key][0] if key in kept else None)
        assert len(packed) == len(kept)
        assert (key in packed) == (key in kept)
    assert sorted(packed) == sorted(kept)
    assert {key: packed.get(key) for key in packed} == {key: value for key, (value, _) in kept.items()}


def test_what_has_ended_comes_once_and_stays_until_it_is_removed() -> None:
    packed = PackedRecords()
    for number in range(100):
        packed.put(f"{number}", b"value", HOUR + number)
    assert list(packed.due(HOUR - 1)) == []
    assert list(packed.due(HOUR + 49)) == [f"{number}" for number in range(50)]
    assert list(packed.due(HOUR + 49)) == []
    assert packed.get("7") == b"value"
    packed.put("7", b"later", 3 * HOUR)
    assert list(packed.due(2 * HOUR)) == [f"{number}" for number in range(50, 100)]
    assert list(packed.due(3 * HOUR)) == ["7"]


def test_the_oldest_can_be_given_up_together() -> None:
    packed = PackedRecords()
    assert packed.oldest() == []
    for number in range(100):
        packed.put(f"{number}", b"", number * HOUR)
    assert packed.oldest() == ["0"]


@pytest.mark.parametrize("seed", range(5))
def test_places_of_one_hash_are_all_found_and_removed_one_by_one(seed: int) -> None:
    dice = Random(seed)
    places, kept = Places(), set[tuple[int, int]]()
    # Few hashes, that lie side by side and wrap around the end of a table.
    hashes = [0xFFFFFFFF - number for number in dice.sample(range(40), 30)]
    for _ in range(3_000):
        if kept and dice.random() < (0.48 if len(kept) < 200 else 1):
            entry = dice.choice(sorted(kept))
            kept.discard(entry)
            places.remove(*entry)
        elif dice.random() < 0.9:
            entry = dice.choice(hashes), dice.randrange(1 << 20)
            if entry not in kept:
                kept.add(entry)
                places.add(*entry)
        else:
            entries = {(dice.choice(hashes), dice.randrange(1 << 20)) for _ in range(dice.randrange(12))} - kept
            kept |= entries
            columns = np.array(sorted(entries), dtype=np.uint64).reshape(-1, 2)
            places.add_many(columns[:, 0], columns[:, 1])
        if dice.random() < 0.9:
            continue
        asked = dice.sample(hashes, 2)
        for hashed in asked:
            assert sorted(places.of(hashed)) == sorted(place for other, place in kept if other == hashed)
        found = sorted(places.of_many(np.array(asked, dtype=np.uint64)))
        assert found == sorted((asked.index(other), place) for other, place in kept if other in asked)
