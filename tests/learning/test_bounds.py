import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from interlock.learning.bounds import anytime, clopper_pearson, evidence, wilson
from interlock.learning.insufficient_data import InsufficientDataError, Reason

counts = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
alphas = st.sampled_from([0.01, 0.05, 0.1])


@settings(deadline=None)
@given(counts, alphas)
def test_clopper_pearson_equals_that_of_statsmodels(count: tuple[int, int], alpha: float) -> None:
    assert clopper_pearson(*count, alpha) == pytest.approx(proportion_confint(*count, alpha, method="beta"), abs=1e-9)


@settings(deadline=None)
@given(counts, alphas)
def test_wilson_equals_that_of_statsmodels(count: tuple[int, int], alpha: float) -> None:
    assert wilson(*count, alpha) == pytest.approx(proportion_confint(*count, alpha, method="wilson"), abs=1e-9)


def test_fifty_one_cases_without_an_error_leave_almost_six_percent_open() -> None:
    assert clopper_pearson(0, 51, 0.10)[1] == pytest.approx(0.0570, abs=5e-5)


@pytest.mark.parametrize(("overridden", "n"), [(22, 100), (39, 200), (89, 500), (170, 1000)])
def test_the_fewest_overrides_that_prove_more_than_15_percent_at_one_look(overridden: int, n: int) -> None:
    assert clopper_pearson(overridden, n, 0.10)[0] > 0.15
    assert clopper_pearson(overridden - 1, n, 0.10)[0] < 0.15


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (15, 100, 0.058623, 0.290067),
        (30, 200, 0.078187, 0.248159),
        (150, 1000, 0.112222, 0.193874),
        (0, 100, 0.0, 0.073284),
    ],
)
def test_the_anytime_interval_gives_the_reference_values(successes: int, trials: int, low: float, high: float) -> None:
    assert anytime(successes, trials) == pytest.approx((low, high), abs=1e-6)


@settings(deadline=None)
@given(counts, alphas)
def test_the_anytime_interval_is_where_the_evidence_is_too_small(count: tuple[int, int], alpha: float) -> None:
    successes, trials = count
    low, high = anytime(successes, trials, alpha)
    assert low <= successes / trials <= high
    for end in (low, high):
        if 0 < end < 1:
            assert evidence(successes, trials, end) == pytest.approx(-np.log(alpha), abs=1e-4)
    mirrored = anytime(trials - successes, trials, alpha)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=1e-9)


@settings(deadline=None)
@given(counts)
def test_being_valid_at_every_look_costs_width(count: tuple[int, int]) -> None:
    (low, high), (exact_low, exact_high) = anytime(*count), clopper_pearson(*count)
    assert low <= exact_low + 1e-9
    assert high >= exact_high - 1e-9


@pytest.mark.parametrize("bound", [clopper_pearson, wilson, anytime])
def test_no_case_says_nothing(bound: type) -> None:
    assert bound(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("bound", [clopper_pearson, wilson, anytime])
@pytest.mark.parametrize(("successes", "trials", "alpha"), [(3, 2, 0.05), (-1, 2, 0.05), (1, 2, 0.0), (1, 2, 1.0)])
def test_impossible_counts_and_levels_are_refused(bound: type, successes: int, trials: int, alpha: float) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        bound(successes, trials, alpha)
    assert refused.value.reason is Reason.BAD_PARAMETER


def test_huge_counts_have_an_interval_too() -> None:
    low, high = anytime(10**12 - 1, 10**12)
    assert 1 - 1e-9 < low < high <= 1
