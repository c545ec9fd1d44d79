import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mapie.metrics.calibration import expected_calibration_error

from interlock.learning.calibration_metrics import (
    TENTHS,
    Notice,
    bins,
    ece,
    ece_noise,
    smooth_ece,
    smooth_ece_interval,
    squared_ce,
)
from interlock.learning.insufficient_data import InsufficientDataError, Reason

F = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
Y = np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 0])
FIFTHS = np.arange(6) / 5

labels = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0.01, 100)), min_size=1, max_size=60)


def test_ece_gives_the_reference_values() -> None:
    assert ece(F, Y) == pytest.approx(0.385, abs=1e-12)
    assert ece(F, Y, edges=FIFTHS) == pytest.approx(0.165, abs=1e-12)


def test_ece_equals_that_of_mapie() -> None:
    rng = np.random.default_rng(4)
    f = rng.random(500)
    y = (rng.random(500) < f**2).astype(int)
    assert ece(f, y) == pytest.approx(expected_calibration_error(y, f, num_bins=10), abs=1e-12)


def test_ece_of_weighted_labels_is_that_of_repeated_ones() -> None:
    times = np.arange(1, 11)
    assert ece(F, Y, times) == pytest.approx(ece(np.repeat(F, times), np.repeat(Y, times)))


def test_a_confidence_on_an_edge_opens_the_bin_above_and_one_closes_the_last() -> None:
    occupied = bins([0.0, 0.3, 0.6, 0.7, 1.0], [0, 1, 1, 1, 1])
    assert [(bucket.low, bucket.high) for bucket in occupied] == [
        (0.0, 0.1),
        (0.3, 0.4),
        (0.6, 0.7),
        (0.7, 0.8),
        (0.9, 1.0),
    ]


def test_a_calibrated_bucket_shows_no_gap_because_its_mean_counts_and_not_its_lower_edge() -> None:
    f = np.linspace(0.9, 1, 1000, endpoint=False)
    y = (np.arange(1000) % 20 != 0).astype(float)
    (bucket,) = bins(f, y)
    assert bucket.accuracy == 0.95
    assert bucket.gap == pytest.approx(0, abs=1e-3)
    assert bucket.accuracy - bucket.low == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("labels_given", "wrong", "notice"),
    [
        (1000, 250, Notice.WARNING),  # .95 claimed, .75 right
        (40, 8, Notice.HINT),  # a gap of .15, which chance gives more than once in 25,000 times
        (1000, 100, Notice.NONE),  # a gap of .05
        (40, 4, Notice.FEW),  # the same, but a gap of .1 would need some 120
    ],
)
def test_a_gap_is_warned_about_only_when_chance_hardly_explains_it(
    labels_given: int, wrong: int, notice: Notice
) -> None:
    (bucket,) = bins(np.full(labels_given, 0.95), np.arange(labels_given) >= wrong)
    assert bucket.notice() is notice
    assert bucket.gap_low <= bucket.gap <= bucket.gap_high


def test_a_model_that_is_too_modest_is_warned_about_as_well() -> None:
    (bucket,) = bins(np.full(1000, 0.65), np.arange(1000) >= 150)
    assert bucket.gap == pytest.approx(0.2)
    assert bucket.notice() is Notice.WARNING


def test_audits_that_stand_for_many_widen_the_interval_of_a_bin() -> None:
    f = np.full(200, 0.95)
    y = np.arange(200) % 4 != 0
    (plain,), (audited,) = bins(f, y), bins(f, y, np.where(np.arange(200) < 20, 20.0, 1.0))
    assert audited.gap_high - audited.gap_low > 1.5 * (plain.gap_high - plain.gap_low)


@pytest.mark.parametrize(("n", "expected"), [(100, 0.071), (200, 0.049), (1000, 0.022), (5000, 0.0098)])
def test_the_noise_of_ece_is_the_reference_value_and_what_calibrated_models_show(n: int, expected: float) -> None:
    assert ece_noise(np.linspace(0.5, 1, n)) == pytest.approx(expected, rel=0.03)
    rng = np.random.default_rng(n)
    shown = []
    for _ in range(1000):
        f = rng.uniform(0.5, 1, n)
        shown.append(ece(f, rng.random(n) < f))
    # 1.2 % is the standard error of a thousand; the formula itself is published as right to 3 %.
    assert np.mean(shown) == pytest.approx(ece_noise(np.linspace(0.5, 1, n)), rel=0.03)


def test_the_debiased_error_is_zero_on_average_for_a_calibrated_model() -> None:
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(1000):
        f = rng.uniform(0.5, 1, 300)
        errors.append(squared_ce(f, rng.random(300) < f))
    assert abs(np.mean(errors)) < 2 * np.std(errors) / 1000**0.5
    assert min(errors) < 0


@pytest.mark.parametrize("n", [200, 1000])
def test_the_debiased_error_finds_a_true_error_of_a_hundredth(n: int) -> None:
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(600):
        f = rng.uniform(0.5, 1, n)
        errors.append(squared_ce(f, rng.random(n) < f - 0.1))
    assert 0.0098 - 0.0005 < np.mean(errors) < 0.0105


def test_the_debiased_error_refuses_where_no_bin_has_two_labels() -> None:
    with pytest.raises(InsufficientDataError) as refused:
        squared_ce([0.15, 0.25, 0.35], [1, 0, 1])
    assert refused.value.reason is Reason.TOO_FEW_LABELS


def test_smooth_ece_gives_the_reference_value() -> None:
    # The reference, relplot, halves its interval ten times: its bandwidth is known to a thousandth.
    assert smooth_ece(F, Y) == pytest.approx(0.108068, abs=1e-3)


def test_smooth_ece_of_a_constant_gap_is_that_gap() -> None:
    assert smooth_ece(np.full(100, 0.7), np.arange(100) < 40) == pytest.approx(0.3, abs=1e-9)


def test_smooth_ece_of_a_perfect_model_is_zero() -> None:
    assert smooth_ece([0.0, 1.0, 1.0, 0.0], [0, 1, 1, 0]) == pytest.approx(0, abs=1e-12)


def test_smooth_ece_does_not_jump_where_binned_ece_does() -> None:
    right_and_wrong = np.tile([1, 0], 50)
    below = np.where(right_and_wrong == 1, 0.5 - 1e-9, 0.5 + 1e-9)
    above = np.where(right_and_wrong == 1, 0.5, 0.5 + 1e-9)
    assert abs(ece(below, right_and_wrong) - ece(above, right_and_wrong)) > 0.4
    assert abs(smooth_ece(below, right_and_wrong) - smooth_ece(above, right_and_wrong)) < 1e-6


def test_smooth_ece_of_weighted_labels_is_that_of_repeated_ones() -> None:
    times = np.arange(1, 11)
    assert smooth_ece(F, Y, times) == pytest.approx(smooth_ece(np.repeat(F, times), np.repeat(Y, times)))


@settings(max_examples=60, deadline=None)
@given(labels)
@example([(0.0, True, 1.0)])
def test_smooth_ece_is_the_same_for_a_prediction_and_its_opposite(
    given_labels: list[tuple[float, bool, float]],
) -> None:
    f, y, w = (np.array(column, dtype=float) for column in zip(*given_labels, strict=True))
    error = smooth_ece(f, y, w)
    assert 0 <= error <= 1
    assert error == pytest.approx(smooth_ece(1 - f, 1 - y, w), abs=1e-6)


def test_the_interval_of_smooth_ece_holds_it_and_comes_from_the_generator_alone() -> None:
    rng = np.random.default_rng(8)
    f = rng.uniform(0.5, 1, 400)
    y = rng.random(400) < f - 0.2
    low, high = smooth_ece_interval(f, y, np.random.default_rng(1), runs=60)
    assert 0.1 < low < smooth_ece(f, y) < high < 0.3
    assert (low, high) == smooth_ece_interval(f, y, np.random.default_rng(1), runs=60)


@settings(max_examples=60, deadline=None)
@given(labels)
def test_every_label_falls_into_one_bin_and_every_bin_is_finite(given_labels: list[tuple[float, bool, float]]) -> None:
    f, y, w = (np.array(column, dtype=float) for column in zip(*given_labels, strict=True))
    occupied = bins(f, y, w)
    assert sum(bucket.labels for bucket in occupied) == len(f)
    for bucket in occupied:
        assert bucket.low <= bucket.mean_confidence + 1e-12
        assert bucket.mean_confidence <= bucket.high + 1e-12
        assert -1 <= bucket.gap_low <= bucket.gap + 1e-12 <= bucket.gap_high + 2e-12 <= 1 + 2e-12


@pytest.mark.parametrize("edges", [[0.0], [0.0, 0.5], [0.1, 1.0], [0.0, 0.5, 0.5, 1.0], [0.0, 0.7, 0.3, 1.0]])
def test_edges_that_do_not_rise_from_zero_to_one_are_refused(edges: list[float]) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        ece(F, Y, edges=np.array(edges))
    assert refused.value.reason is Reason.BAD_PARAMETER


def test_tenths_are_the_numbers_that_people_write() -> None:
    assert TENTHS.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
