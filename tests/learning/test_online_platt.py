import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from interlock.learning.calibration import fit, log_loss, log_odds
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.learning.online_platt import GAMMA, RADIUS, OnlinePlatt


def run(confidence: np.ndarray, correct: np.ndarray) -> tuple[OnlinePlatt, np.ndarray]:
    state, predicted = OnlinePlatt(), np.empty(len(confidence))
    for index, (f, y) in enumerate(zip(confidence, correct, strict=True)):
        predicted[index] = state.predict(f)
        state = state.update(f, bool(y))
    return state, predicted


def test_it_starts_as_the_identity() -> None:
    assert [OnlinePlatt().predict(f) for f in (0.1, 0.5, 0.97)] == pytest.approx([0.1, 0.5, 0.97])


def test_the_first_step_is_a_newton_step_from_the_identity() -> None:
    # logit(.9) = 2.197; gradient (p − y)(x, 1) = .9 (2.197, 1); A = I + ggᵀ, so A⁻¹g = g / (1 + |g|²).
    x = np.log(9)
    gradient = 0.9 * np.array([x, 1.0])
    step = gradient / (1 + gradient @ gradient) / GAMMA
    state = OnlinePlatt().update(0.9, False)
    assert (state.slope, state.intercept) == pytest.approx((1 - step[0], -step[1]))
    assert (state.ss, state.si, state.ii) == pytest.approx((1 + (0.9 * x) ** 2, 0.81 * x, 1.81))
    assert state.labels == 1


def test_a_light_label_moves_less() -> None:
    full, light = OnlinePlatt().update(0.6, False), OnlinePlatt().update(0.6, False, 0.05)
    assert 0 < -light.intercept < -full.intercept


def test_its_loss_is_near_that_of_the_best_fixed_curve_in_hindsight() -> None:
    rng = np.random.default_rng(5)
    confidence = expit(rng.normal(1, 2, 3000))
    correct = (rng.random(3000) < expit(0.5 + 0.4 * log_odds(confidence))).astype(float)
    _, predicted = run(confidence, correct)
    best = fit(confidence, correct, shrinkage=1e-9).apply(confidence)
    regret = (log_loss(predicted, correct) - log_loss(best, correct)).sum()
    # The bound of the online Newton step: d / (2γ) · log n for d = 2 parameters.
    assert regret < 2 / (2 * GAMMA) * np.log(3000)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=80))
def test_no_stream_throws_it_out_of_bounds(stream: list[tuple[float, bool]]) -> None:
    state = OnlinePlatt()
    for confidence, correct in stream:
        state = state.update(confidence, correct)
        assert np.hypot(state.slope, state.intercept) <= RADIUS * (1 + 1e-9)
        assert 0 <= state.predict(confidence) <= 1


def test_a_step_out_of_the_ball_ends_at_its_nearest_point_in_the_metric_of_the_moments() -> None:
    near_the_edge = OnlinePlatt(slope=60.0, intercept=-79.9, ss=4.0, si=1.0, ii=2.0)
    state = near_the_edge.update(0.5, False, 1e-9)
    assert np.hypot(state.slope, state.intercept) <= RADIUS
    outside = OnlinePlatt(slope=90.0, intercept=-80.0, ss=4.0, si=1.0, ii=2.0)
    # A label of no weight: nothing but the projection moves the parameters.
    state = outside.update(0.5, False, 1e-9)
    angle = np.linspace(0, 2 * np.pi, 200_000)
    circle = RADIUS * np.stack([np.cos(angle), np.sin(angle)]) - np.array([[90.0], [-80.0]])
    distance = 4 * circle[0] ** 2 + 2 * circle[0] * circle[1] + 2 * circle[1] ** 2
    nearest = circle[:, np.argmin(distance)] + np.array([90.0, -80.0])
    assert (state.slope, state.intercept) == pytest.approx(tuple(nearest), abs=1e-2)


def test_a_weight_above_one_is_refused_and_says_how_to_scale() -> None:
    with pytest.raises(InsufficientDataError, match="smallest π") as refused:
        OnlinePlatt().update(0.9, True, 20.0)
    assert refused.value.reason is Reason.BAD_WEIGHT


def test_a_curve_that_falls_is_not_handed_out() -> None:
    confidence = np.tile([0.1, 0.9], 200)
    state, _ = run(confidence, np.tile([1, 0], 200))
    with pytest.raises(InsufficientDataError) as refused:
        state.model()
    assert refused.value.reason is Reason.REVERSED


def test_the_model_it_hands_out_is_what_it_predicts_with() -> None:
    state, _ = run(np.array([0.9, 0.8, 0.95, 0.6]), np.array([1, 0, 1, 1]))
    assert state.model().apply([0.7])[0] == pytest.approx(state.predict(0.7))
    assert state.model().labels == 4
