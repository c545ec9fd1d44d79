"""How far a recalibration may go that no person has signed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.learning.calibration import IDENTITY, LogOdds, log_loss
from interlock.learning.recalibration_limits import MAX_INTERCEPT, MAX_SLOPE, limited, problem

intercepts = st.floats(-1e6, 1e6)
slopes = st.floats(1e-3, 1e6)


@given(intercepts, slopes)
def test_what_is_limited_may_be_applied_and_what_may_be_applied_stays_as_it_is(intercept: float, slope: float) -> None:
    limited_intercept, limited_slope = limited(intercept, slope)
    assert problem(round(limited_intercept, 4), round(limited_slope, 4)) is None
    if problem(intercept, slope) is None:
        assert (limited_intercept, limited_slope) == pytest.approx((intercept, slope))


def test_a_limited_recalibration_is_better_than_none() -> None:
    confidence = np.linspace(0.35, 0.65, 400)
    correct = (confidence + 0.02 * np.sin(np.arange(400)) > 0.47).astype(float)
    steep = LogOdds(3.0, 30.0)
    losses = [
        log_loss(model.apply(confidence), correct).mean() for model in (IDENTITY, LogOdds(*limited(3.0, 30.0)), steep)
    ]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("intercept", "slope", "says"),
    [
        (math.nan, 1.0, "finite"),
        (0.0, math.inf, "finite"),
        (0.0, 0.0, "not above 0"),
        (0.0, MAX_SLOPE + 1, "at most 4"),
        (-MAX_INTERCEPT - 1, 1.0, "not between -2.5 and 2.5"),
    ],
)
def test_the_problem_is_named(intercept: float, slope: float, says: str) -> None:
    assert says in str(problem(intercept, slope))
