"""Slices: the planted one of statistics, enumeration against brute force, weights, intervals."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sliceline.slicefinder import Slicefinder

from bench.gates.certification import PLANTED, noise, routed
from bench.gates.slices import DESIGNS, drawn
from interlock.learning.arrays import Bools
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.learning.slices import Condition, Correction, Features, binned, confirm, counted, find, matches

CORRECTIONS: tuple[Correction, ...] = ("bh", "by")


def test_the_planted_slice_has_the_reference_counts_and_p_and_comes_first() -> None:
    features, overridden = noise(1, planted=True)
    best = find(features, overridden, np.ones(2000))[0]
    assert set(best.conditions) == PLANTED
    assert (best.support, best.overrides) == (123, 38)
    assert best.p == pytest.approx(8.32e-12, rel=1e-3)
    assert best.p == pytest.approx(hypergeom.sf(37, 2000, overridden.sum(), 123), rel=1e-9)
    assert best.lift == pytest.approx(best.rate / best.overall)
    assert best.lift_low < 0.35 / best.overall < best.lift_high


def test_two_other_measures_rank_the_planted_slice_first_with_their_reference_scores() -> None:
    features, overridden = noise(1, planted=True)
    patterns = counted(features, overridden, depth=2, min_support=20)
    # Weighted relative accuracy, by its definition.
    accuracy = {conditions: n / 2000 * (k / n - overridden.mean()) for conditions, n, k in patterns}
    best = max(accuracy, key=lambda conditions: accuracy[conditions])
    assert set(best) == PLANTED
    assert accuracy[best] == pytest.approx(0.013004, abs=1e-6)
    first, score = _by_sliceline(features, overridden)
    assert first == PLANTED
    assert score == pytest.approx(1.2972, abs=5e-5)


@pytest.mark.parametrize("seed", range(2, 12))
def test_sliceline_ranks_first_what_comes_first_here(seed: int) -> None:
    features, overridden = noise(seed, planted=True)
    assert set(find(features, overridden, np.ones(2000))[0].conditions) == _by_sliceline(features, overridden)[0]


def _by_sliceline(features: Features, overridden: Bools) -> tuple[set[Condition], float]:
    # With its usual alpha of .6 nothing of this size scores above 0.
    oracle = Slicefinder(alpha=0.95, max_l=2, min_sup=20, verbose=False)
    oracle.fit(np.column_stack(list(features.values())), overridden.astype(np.float64))
    values = zip(features, oracle.top_slices_[0], strict=True)
    conditions = {(name, str(value)) for name, value in values if value is not None}
    return conditions, oracle.top_slices_statistics_[0]["slice_score"]


def test_counting_alone_flags_219_of_480_patterns_of_pure_noise_but_corrected_2_draws_of_100_flag_any() -> None:
    flagged, alarms = [], 0
    for seed in range(100):
        features, overridden = noise(seed, planted=False)
        patterns = counted(features, overridden, depth=2, min_support=1)
        assert len(patterns) == 480
        flagged.append(sum(hits > 10 for _, _, hits in patterns))
        alarms += bool(find(features, overridden, np.ones(2000)))
    assert np.mean(flagged) == pytest.approx(219, abs=0.5)
    assert alarms == 2


def test_every_planted_slice_comes_first_and_few_draws_flag_something_unrelated_with_it() -> None:
    unrelated = {"bh": 0, "by": 0}
    for seed in range(100):
        features, overridden = noise(seed, planted=True)
        for correction in CORRECTIONS:
            slices = find(features, overridden, np.ones(2000), correction=correction)
            assert set(slices[0].conditions) == PLANTED
            unrelated[correction] += any(not PLANTED & set(group.conditions) for group in slices)
    assert unrelated == {"bh": 8, "by": 0}


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 6))
def test_every_pattern_with_enough_rows_is_counted_once_and_rightly(seed: int, depth: int, min_support: int) -> None:
    rng = np.random.default_rng(seed)
    features = {name: rng.integers(0, 3, 40) for name in "abc"} | {"d": rng.choice(["x", "y"], 40)}
    hits = rng.random(40) < 0.3
    wanted = {}
    for size in range(1, depth + 1):
        for names in combinations(features, size):
            for values in product(*({str(feature) for feature in features[name]} for name in names)):
                conditions = tuple(zip(names, values, strict=True))
                rows = matches(features, conditions)
                if rows.sum() >= min_support:
                    wanted[conditions] = (int(rows.sum()), int(hits[rows].sum()))
    patterns = counted(features, hits, depth=depth, min_support=min_support)
    assert len(patterns) == len(wanted)
    assert {conditions: (n, k) for conditions, n, k in patterns} == wanted


def test_equal_weights_change_nothing_but_are_needed() -> None:
    features, overridden = noise(3, planted=True)
    plain = find(features, overridden, np.ones(2000))
    audited = find(features, overridden, np.full(2000, 0.05))
    assert [(group.conditions, group.support) for group in plain] == [
        (group.conditions, group.support) for group in audited
    ]
    np.testing.assert_allclose([group.p for group in plain], [group.p for group in audited], rtol=1e-6)
    with pytest.raises(InsufficientDataError) as refused:
        find(features, overridden, np.zeros(2000))
    assert refused.value.reason is Reason.BAD_PROPENSITY


def test_rates_speak_of_the_whole_population_not_of_what_was_reviewed() -> None:
    # Truth 10 %; half the population is doubtful, overridden at 19 % and always reviewed, the rest at 1 % and audited.
    rng = np.random.default_rng(7)
    doubt = rng.random(60_000) < 0.5
    special = rng.random(60_000) < 0.1
    overridden = rng.random(60_000) < np.where(special, 0.4, np.where(doubt, 0.19, 0.01))
    propensity = np.where(doubt, 1.0, 0.1)
    seen = rng.random(60_000) < propensity
    features = {"special": special[seen].astype(np.int64)}
    (group,) = find(features, overridden[seen], propensity[seen])
    assert group.conditions == (("special", "1"),)
    assert group.rate == pytest.approx(0.4, abs=0.04)
    assert group.overall == pytest.approx(overridden.mean(), abs=0.01)
    assert overridden[seen].mean() > group.overall + 0.05
    assert group.lift_low < 0.4 / overridden.mean() < group.lift_high


def test_routing_alone_makes_no_slice() -> None:
    features, overridden, propensity = routed(0)
    assert find(features, overridden, np.ones(len(overridden)))
    assert find(features, overridden, propensity) == []


@pytest.mark.parametrize("design", DESIGNS)
def test_where_features_say_nothing_few_audits_make_no_slice(design: str) -> None:
    assert sum(bool(find(*drawn(design, seed), min_support=11)) for seed in range(8)) <= 1


def test_a_slice_that_errs_more_in_every_stratum_is_found_with_audits_at_5_percent() -> None:
    runs = [find(*drawn("20/80, audits 5 %", seed, planted=True), min_support=11) for seed in range(6)]
    assert sum(any(group.conditions == (("f0", "0"),) for group in slices) for slices in runs) >= 3


def test_many_different_propensities_form_classes() -> None:
    rng = np.random.default_rng(8)
    propensity = rng.uniform(0.05, 1, 4000)
    odd = rng.random(4000) < 0.2
    overridden = rng.random(4000) < np.where(odd, 0.3, 0.1)
    features: Features = {"odd": odd.astype(np.int64), "propensity": binned(propensity, 4)}
    assert find(features, overridden, propensity)[0].conditions == (("odd", "1"),)


def test_the_lift_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        inside = np.arange(1500) < 200
        overridden = rng.random(1500) < np.where(inside, 0.3, 0.06)
        (group,) = find({"inside": inside.astype(np.int64)}, overridden, np.ones(1500))
        covered += group.lift_low <= 0.3 / (0.3 * 200 / 1500 + 0.06 * 1300 / 1500) <= group.lift_high
    assert 0.91 <= covered / 200 <= 0.985


def test_what_was_found_is_confirmed_on_later_data_only_where_it_is_still_true() -> None:
    features, overridden = noise(5, planted=True)
    slices = find(features, overridden, np.ones(2000))
    later, again = noise(6, planted=True)
    assert set(confirm(slices, later, again, np.ones(2000))[0].conditions) == PLANTED
    gone, nothing = noise(7, planted=False)
    assert confirm(slices, gone, nothing, np.ones(2000)) == []


def test_without_overrides_or_differences_there_is_no_slice() -> None:
    features, _ = noise(1, planted=False)
    assert find(features, np.zeros(2000, dtype=np.bool_), np.ones(2000)) == []
    assert find({"same": np.zeros(50)}, np.arange(50) < 25, np.ones(50)) == []
    assert find({}, np.arange(50) < 25, np.ones(50)) == []


def test_where_every_override_is_inside_the_interval_stays_finite() -> None:
    inside = np.arange(400) < 40
    best = find({"inside": inside.astype(np.int64)}, inside, np.ones(400))[0]
    assert best.lift == pytest.approx(10)
    assert 1 < best.lift_low <= best.lift <= best.lift_high < 100


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(float("inf"))), min_size=1))
def test_bins_hold_what_their_names_say_and_say_what_is_missing(values: list[float]) -> None:
    for value, name in zip(values, binned(np.array(values)), strict=True):
        if name == "missing":
            assert not np.isfinite(value)
        else:
            low, high = (float(edge) for edge in name.strip("[)").split(", "))
            slack = 1e-9 * max(1.0, abs(value))
            assert low - slack <= value < high + slack


def test_columns_of_another_length_and_patterns_without_a_column_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="'a' has 3 rows, not 2"):
        find({"a": np.arange(3)}, np.array([True, False]), np.ones(2))
    with pytest.raises(InsufficientDataError, match="no column 'b'"):
        matches({"a": np.arange(3)}, [("b", "1")])
