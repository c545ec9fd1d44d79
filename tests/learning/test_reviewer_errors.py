"""What people's own errors make of rates and promises."""

import numpy as np
import pytest

from interlock.learning.double_reviews import PairCounts
from interlock.learning.estimates import Estimate, Target, hajek, rogan_gladen
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.reviewer_errors import GoldItems, corrected, if_missed, visible


def estimate(value: float, half: float = 0.01) -> Estimate:
    return Estimate("Hájek", Target.PROCESS, value, 0.0, value - half, value + half, 1_000, 1_000)


def test_a_promise_of_five_per_cent_leaves_people_who_find_four_in_five_less_than_four_to_see() -> None:
    seen = visible(0.05, GoldItems(wrong=1_000, found=800, right=100, left=90), 0.02)
    assert seen is not None
    assert 0.037 < seen.limit < 0.04
    assert seen.limit == pytest.approx(0.05 * seen.sensitivity)
    assert seen.false_alarms == 0


def test_nothing_is_assumed_from_fewer_than_thirty_wrong_answers() -> None:
    assert visible(0.05, GoldItems(wrong=29, found=29, right=500, left=500), 0.02) is None


def test_right_answers_that_people_change_raise_the_limit_only_where_items_are_typical() -> None:
    items = GoldItems(wrong=200, found=190, right=2_000, left=1_900)
    careful, typical = visible(0.05, items, 0.02), visible(0.05, items, 0.02, typical=True)
    assert careful is not None
    assert typical is not None
    assert careful.limit < 0.05 < typical.limit < 0.95 * 0.05 + 0.05 * 0.95


def test_people_who_change_right_answers_as_often_as_wrong_ones_vouch_for_nothing() -> None:
    seen = visible(0.05, GoldItems(wrong=100, found=50, right=1_000, left=300), 0.02, typical=True)
    assert seen is not None
    assert seen.limit == 0


def test_where_there_are_few_gold_items_double_reviews_tell_alone() -> None:
    pairs = PairCounts(both=400, one=120, alarms=10, neither=3_000)
    seen = visible(0.05, GoldItems(wrong=29, found=29), 0.02, pairs=pairs)
    assert seen is not None
    assert seen.by_gold is None
    assert seen.sensitivity == seen.by_pairs
    assert 0.75 * 0.05 < seen.limit < 0.87 * 0.05
    assert visible(0.05, GoldItems(), 0.02, pairs=PairCounts(both=29, neither=1_000)) is None


@pytest.mark.parametrize("typical", [False, True])
@pytest.mark.parametrize("pairs", [PairCounts(60, 90, 5, 900), PairCounts(600, 10, 5, 900), PairCounts(6, 3, 0, 9)])
def test_double_reviews_only_ever_lower_the_limit_that_gold_items_allow(pairs: PairCounts, typical: bool) -> None:
    items = GoldItems(wrong=200, found=180, right=2_000, left=1_900)
    without = visible(0.05, items, 0.02, typical=typical)
    seen = visible(0.05, items, 0.02, typical=typical, pairs=pairs)
    assert without is not None
    assert seen is not None
    assert seen.limit <= without.limit
    assert (seen == without) == (not pairs.enough)


def test_rates_are_corrected_by_double_reviews_where_there_are_few_gold_items() -> None:
    found = corrected(estimate(0.2), GoldItems(), pairs=PairCounts(both=810, one=180, alarms=38, neither=3_610))
    # One finds 90 % of errors and changes 0.5 % of right answers.
    assert found.value == pytest.approx((0.2 - 0.0052) / (0.9 - 0.0052), abs=0.001)
    assert found.low < found.value < found.high
    with pytest.raises(InsufficientDataError, match="one has found 20 errors"):
        corrected(estimate(0.2), GoldItems(), pairs=PairCounts(both=10, one=10, neither=1_000))


def test_where_both_sources_tell_the_interval_of_a_rate_covers_what_either_says() -> None:
    items, pairs = GoldItems(wrong=300, found=285, right=300, left=300), PairCounts(both=200, one=170, neither=2_000)
    gold, double = corrected(estimate(0.2), items), corrected(estimate(0.2), GoldItems(), pairs=pairs)
    found = corrected(estimate(0.2), items, pairs=pairs)
    assert gold.high < double.value
    assert (found.value, found.low, found.high) == (gold.value, gold.low, double.high)


@pytest.mark.parametrize("sensitivity", [0.7, 0.9])
def test_the_limit_is_hardly_ever_above_what_people_truly_see_at_any_look(sensitivity: float) -> None:
    rng = np.random.default_rng(5)
    broken = 0
    for _ in range(100):
        found = rng.random(400) < sensitivity
        looks = [visible(0.05, GoldItems(n, int(found[:n].sum())), 0.1) for n in range(30, 401, 10)]
        broken += any(seen is not None and seen.limit > 0.05 * sensitivity for seen in looks)
    assert broken <= 14  # a tenth is allowed, and two standard errors


@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity"), [(0.17, 0.9, 0.97), (0.05, 0.7, 0.99), (0.02, 0.8, 1.0)]
)
def test_corrected_rates_cover_the_truth(rate: float, sensitivity: float, specificity: float) -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(200):
        items = GoldItems(60, int(rng.binomial(60, sensitivity)), 200, int(rng.binomial(200, specificity)))
        seen = rng.random(2_000) < sensitivity * rate + (1 - specificity) * (1 - rate)
        found = corrected(hajek(seen, np.ones(2_000), np.ones(2_000), Target.PROCESS), items)
        inside += found.low <= rate <= found.high
    assert inside / 200 >= 0.93


def test_the_point_is_that_of_rogan_and_gladen() -> None:
    found = corrected(estimate(0.2), GoldItems(wrong=100, found=90, right=100, left=95))
    assert found.value == pytest.approx(rogan_gladen(estimate(0.2), 0.9, 0.95).value)
    assert found.value == pytest.approx(0.176471, abs=1e-6)
    assert found.low < 0.16
    assert found.high > 0.19


def test_people_who_might_be_no_better_than_chance_leave_the_rate_open() -> None:
    found = corrected(estimate(0.3), GoldItems(wrong=30, found=15, right=30, left=18))
    assert found.high == 1


@pytest.mark.parametrize("items", [GoldItems(100, 90, 29, 29), GoldItems(29, 29, 100, 100)])
def test_too_few_items_of_a_kind_are_refused(items: GoldItems) -> None:
    with pytest.raises(InsufficientDataError, match="plant more"):
        corrected(estimate(0.2), items)


def test_five_per_cent_seen_by_people_who_miss_a_fifth_is_six_and_a_quarter() -> None:
    assert if_missed(0.05) == pytest.approx(0.0625)
    assert if_missed(0.9) == 1
