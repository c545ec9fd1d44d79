"""Slices: the planted one of statistics, enumeration against brute force, weights, intervals."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from bench.certification_gates import PLANTED, noise, routed
from learning.refusal import Reason, Refusal
from learning.slices import binned, confirm, counted, find, matches


def test_the_planted_slice_has_the_reference_counts_and_p_and_comes_first() -> None:
    features, overridden = noise(1, planted=True)
    best = find(features, overridden, np.ones(2000))[0]
    assert set(best.conditions) == PLANTED
    assert (best.support, best.overrides) == (123, 38)
    assert best.p == pytest.approx(8.32e-12, rel=1e-3)
    assert best.p == pytest.approx(hypergeom.sf(37, 2000, overridden.sum(), 123), rel=1e-9)
    # Weighted relative accuracy as pysubgroup computes it.
    assert best.support / 2000 * (best.rate - best.overall) == pytest.approx(0.013004, abs=1e-6)
    assert best.lift == pytest.approx(best.rate / best.overall)
    assert best.lift_low < 0.35 / best.overall < best.lift_high


def test_counting_alone_flags_hundreds_of_patterns_of_pure_noise() -> None:
    features, overridden = noise(1001, planted=False)
    patterns = counted(features, overridden, depth=2, min_support=1)
    assert len(patterns) == 480
    assert sum(hits > 10 for _, _, hits in patterns) > 150
    assert find(features, overridden, np.ones(2000)) == []


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 6))
def test_every_pattern_with_enough_rows_is_counted_once_and_rightly(seed: int, depth: int, min_support: int) -> None:
    rng = np.random.default_rng(seed)
    features = {name: rng.integers(0, 3, 40) for name in "abc"} | {"d": rng.choice(["x", "y"], 40)}
    hits = rng.random(40) < 0.3
    wanted = {}
    for size in range(1, depth + 1):
        for names in combinations(features, size):
            for values in product(*({str(one) for one in features[name]} for name in names)):
                conditions = tuple(zip(names, values, strict=True))
                rows = matches(features, conditions)
                if rows.sum() >= min_support:
                    wanted[conditions] = (int(rows.sum()), int(hits[rows].sum()))
    found = counted(features, hits, depth=depth, min_support=min_support)
    assert len(found) == len(wanted)
    assert {conditions: (n, k) for conditions, n, k in found} == wanted


def test_equal_weights_change_nothing_but_are_needed() -> None:
    features, overridden = noise(3, planted=True)
    plain = find(features, overridden, np.ones(2000))
    audited = find(features, overridden, np.full(2000, 0.05))
    assert [(one.conditions, one.support) for one in plain] == [(one.conditions, one.support) for one in audited]
    np.testing.assert_allclose([one.p for one in plain], [one.p for one in audited], rtol=1e-6)
    with pytest.raises(Refusal) as refused:
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
    (found,) = find(features, overridden[seen], propensity[seen])
    assert found.conditions == (("special", "1"),)
    assert found.rate == pytest.approx(0.4, abs=0.04)
    assert found.overall == pytest.approx(overridden.mean(), abs=0.01)
    assert overridden[seen].mean() > found.overall + 0.05
    assert found.lift_low < 0.4 / overridden.mean() < found.lift_high


def test_routing_alone_makes_no_slice() -> None:
    features, overridden, propensity = routed(0)
    assert find(features, overridden, np.ones(len(overridden)))
    assert find(features, overridden, propensity) == []


def test_the_lift_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        inside = np.arange(1500) < 200
        overridden = rng.random(1500) < np.where(inside, 0.3, 0.06)
        (found,) = find({"inside": inside.astype(np.int64)}, overridden, np.ones(1500))
        covered += found.lift_low <= 0.3 / (0.3 * 200 / 1500 + 0.06 * 1300 / 1500) <= found.lift_high
    assert 0.91 <= covered / 200 <= 0.985


def test_what_was_found_is_confirmed_on_later_data_only_where_it_is_still_true() -> None:
    features, overridden = noise(5, planted=True)
    found = find(features, overridden, np.ones(2000))
    later, again = noise(6, planted=True)
    assert set(confirm(found, later, again, np.ones(2000))[0].conditions) == PLANTED
    gone, nothing = noise(7, planted=False)
    assert confirm(found, gone, nothing, np.ones(2000)) == []


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
    with pytest.raises(Refusal, match="'a' has 3 rows, not 2"):
        find({"a": np.arange(3)}, np.array([True, False]), np.ones(2))
    with pytest.raises(Refusal, match="no column 'b'"):
        matches({"a": np.arange(3)}, [("b", "1")])
