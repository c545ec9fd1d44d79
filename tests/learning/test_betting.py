import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.learning.betting import interval, lower
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Two of every ten.
PATTERN = np.isin(np.arange(400) % 10, (3, 7)).astype(float)

streams = st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=80)


@pytest.mark.parametrize(("t", "low", "high"), [(50, 0.059, 0.382), (100, 0.087, 0.330), (200, 0.110, 0.295)])
def test_it_gives_the_reference_values_on_their_grid(t: int, low: float, high: float) -> None:
    bounds = interval(PATTERN[:t])
    # The reference tries means in steps of a thousandth and answers with the last excluded ones.
    assert np.floor(bounds[0] * 1000) / 1000 == pytest.approx(low, abs=1e-9)
    assert np.ceil(bounds[1] * 1000) / 1000 == pytest.approx(high, abs=1e-9)


def test_the_interval_never_widens_as_the_stream_goes_on() -> None:
    lows, highs = zip(*(interval(PATTERN[:t]) for t in range(1, 401, 7)), strict=True)
    assert (np.diff(lows) >= -1e-8).all()
    assert (np.diff(highs) <= 1e-8).all()


@settings(max_examples=60, deadline=None)
@given(streams)
def test_any_stream_has_a_finite_interval_or_a_mean_that_moved(stream: list[tuple[float, float]]) -> None:
    values, weights = (np.array(column) for column in zip(*stream, strict=True))
    try:
        low, high = interval(values, weights)
    except InsufficientDataError:
        return
    assert 0 <= low <= high <= 1
    mirrored = interval(1 - values, weights)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]), abs=1e-6)


def test_weights_of_one_are_no_weights() -> None:
    assert interval(PATTERN, np.ones(400)) == interval(PATTERN)


def test_outcomes_that_count_for_little_tell_little() -> None:
    plain, light = interval(PATTERN), interval(PATTERN, np.full(400, 0.01))
    assert light[0] < plain[0]
    assert light[1] > plain[1]


def test_doubtful_cases_that_are_always_reviewed_do_not_raise_the_rate_of_all() -> None:
    # Of 10,000 decisions 4,000 doubtful ones are all reviewed, 30 % overridden, and 5 % of 6,000 sure ones, 2 %
    # overridden: 13.2 % of all, 28 % of the reviewed.
    rng = np.random.default_rng(6)
    sure = rng.permutation(np.arange(4300) < 300)
    overridden = (rng.random(4300) < np.where(sure, 0.02, 0.30)).astype(float)
    low, high = interval(overridden, np.where(sure, 1.0, 0.05))
    assert low < 0.132 < high < 0.25
    assert interval(overridden)[0] > 0.25


def test_a_mean_that_moves_leaves_no_interval_and_is_named() -> None:
    with pytest.raises(InsufficientDataError) as refused:
        interval(np.concatenate([np.zeros(400), np.ones(400)]))
    assert refused.value.reason is Reason.MEAN_CHANGED


def test_nothing_seen_excludes_nothing() -> None:
    assert lower(np.zeros(500)) == 0
    assert lower([1.0]) < 0.5


@pytest.mark.parametrize(
    ("values", "weights", "reason"),
    [
        ([0.5, 1.5], None, Reason.NOT_A_PROBABILITY),
        ([], None, Reason.NO_DATA),
        ([0.5, 0.5], [1.0, 20.0], Reason.BAD_WEIGHT),
        ([0.5, 0.5], [1.0, 0.0], Reason.BAD_WEIGHT),
        ([0.5, 0.5], [1.0], Reason.LENGTHS_DIFFER),
    ],
)
def test_streams_that_cannot_be_bet_on_are_refused(
    values: list[float], weights: list[float] | None, reason: Reason
) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        interval(values, weights)
    assert refused.value.reason is reason
