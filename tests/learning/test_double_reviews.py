"""What decisions that two people judged say of how much one person misses and changes by mistake."""

import numpy as np
import pytest

from bench.gates.reviewers import People, shares
from interlock.learning.bounds import anytime, clopper_pearson
from interlock.learning.double_reviews import PairCounts, false_alarms, sensitivity


def test_of_52_errors_that_one_of_two_found_40_by_both_one_person_finds_87_per_cent() -> None:
    found = sensitivity(PairCounts(both=40, one=12))
    assert found.value == pytest.approx(2 * 40 / (2 * 40 + 12))
    low, high = clopper_pearson(40, 52)
    # The third may miss as many as one person alone, which makes the lower end lower.
    assert found.low == pytest.approx((3 - 1 / low) / 2)
    assert found.high == pytest.approx(2 * high / (1 + high))
    assert (round(found.low, 2), round(found.value, 2), round(found.high, 2)) == (0.71, 0.87, 0.93)


def test_who_always_finds_alone_what_is_found_finds_next_to_nothing() -> None:
    found = sensitivity(PairCounts(both=0, one=40))
    assert (found.low, found.value) == (0, 0)
    assert found.high < 0.2


def test_nothing_is_known_of_people_who_found_nothing() -> None:
    found = sensitivity(PairCounts(neither=100))
    assert (found.low, found.high) == (0, 1)
    assert not PairCounts(both=20, one=9, neither=100).enough
    assert PairCounts(both=20, one=10).enough


def test_a_third_who_misses_errors_does_not_make_people_change_right_answers() -> None:
    # Two of three errors are found by each; the third upholds the model where only one of them did, every third time.
    pairs = PairCounts(both=400, one=267, alarms=133, neither=2_000)
    assert false_alarms(pairs).low == 0
    assert false_alarms(pairs).value > 0.03
    assert sensitivity(pairs).low <= 2 / 3 <= sensitivity(pairs).high


def test_right_answers_that_both_change_do_not_count_as_errors_that_both_found() -> None:
    # One in ten right answers is changed, and one in a hundred decisions is wrong, of which people find 70 %.
    pairs = PairCounts(both=49 + 99, one=42, alarms=1_782, neither=8_028)
    assert sensitivity(pairs).value == pytest.approx(0.7, abs=0.01)
    assert false_alarms(pairs).value == pytest.approx(0.1, abs=0.001)


def test_the_later_of_two_counts_has_told_more() -> None:
    counts = [PairCounts(), PairCounts().with_pair(1)]
    counts += [counts[-1].with_false_alarm(), counts[-1].with_pair(2), counts[-1].with_pair(2).with_pair(0)]
    told = [one.told for one in counts]
    assert told == sorted(told)
    assert counts[2] == PairCounts(alarms=1)
    assert counts[4] == PairCounts(both=1, one=1, neither=1)


@pytest.mark.parametrize("third", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("found", "changed"), [(0.7, 0.02), (0.9, 0.02), (0.9, 0.0)])
def test_intervals_cover_the_truth_however_good_the_third_is(found: float, changed: float, third: float) -> None:
    rng = np.random.default_rng(4)
    people = People(found, changed, doubles=1_000, third=third)
    shares = [sensitivity(people.pairs(rng, 0.15)) for _ in range(300)]
    # Three standard errors below 95 %.
    assert np.mean([share.low <= found <= share.high for share in shares]) >= 0.912


def test_errors_that_are_hard_for_everybody_make_people_look_better_than_they_are() -> None:
    rng = np.random.default_rng(4)
    pairs = People(0.7, doubles=20_000, hard=0.4, third=1.0).pairs(rng, 0.15)
    assert sensitivity(pairs, 0.1, anytime).low > 0.75


def test_the_lower_bound_holds_at_every_look() -> None:
    assert max(covered.broken for covered in shares(10).values()) <= 0.1
