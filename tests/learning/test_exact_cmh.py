"""The exact stratified test against enumeration, permutations, scipy and statsmodels."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from statsmodels.stats.contingency_tables import StratifiedTable

from interlock.learning.exact_cmh import upper_tail

strata = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=3)


@given(strata, st.integers(0, 8))
def test_the_tail_is_that_of_all_ways_in_which_overrides_can_fall(sizes: list[tuple[int, int, int]], seen: int) -> None:
    sums = np.zeros(1, dtype=np.int64)
    counts = [(cases, min(hits, cases), min(inside, cases)) for cases, hits, inside in sizes]
    for cases, hits, inside in counts:
        ways = [sum(case < inside for case in chosen) for chosen in combinations(range(cases), hits)]
        sums = (sums[:, None] + np.array(ways)).ravel()
    observed = [seen, *[0] * (len(counts) - 1)]
    assert upper_tail(*np.array([*zip(*counts, strict=True), observed])) == pytest.approx(
        (sums >= seen).mean(), abs=1e-12
    )


def test_one_stratum_is_the_hypergeometric_tail_far_out_too() -> None:
    counts = np.array([[2000], [170], [123], [60]])
    assert upper_tail(*counts) == pytest.approx(hypergeom.sf(59, 2000, 170, 123), rel=1e-9, abs=0)


def test_large_counts_agree_with_the_approximation_of_statsmodels() -> None:
    cases, hits, inside = np.array([9_000, 4_000, 2_000]), np.array([2_000, 300, 90]), np.array([2_500, 1_500, 300])
    for extra in (0, 20, 40, 80):
        hits_inside = np.round(inside * hits / cases).astype(np.int64) + np.array([extra // 2, extra // 4, extra // 4])
        tables = [
            np.array([[k, n - k], [hit - k, case - n - hit + k]])
            for case, hit, n, k in zip(cases, hits, inside, hits_inside, strict=True)
        ]
        two_sided = StratifiedTable(tables).test_null_odds(correction=True).pvalue
        expected = (inside * hits / cases).sum()
        one_sided = two_sided / 2 if hits_inside.sum() > expected + 0.5 else 1 - two_sided / 2
        assert upper_tail(cases, hits, inside, hits_inside) == pytest.approx(one_sided, rel=0.06, abs=0.01)


def test_a_group_without_cases_or_hits_is_never_strange() -> None:
    assert upper_tail(*np.array([[10, 5], [3, 2], [0, 0], [0, 0]])) == pytest.approx(1)
    assert upper_tail(*np.array([[10, 5], [0, 0], [4, 2], [0, 0]])) == pytest.approx(1)
