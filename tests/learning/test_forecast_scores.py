import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.metrics.calibration import spiegelhalter_p_value, spiegelhalter_statistic
from sklearn.metrics import brier_score_loss

from interlock.learning.forecast_scores import brier, corp, murphy, spiegelhalter
from interlock.learning.insufficient_data import InsufficientDataError, Reason

F = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
Y = np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 0])

labels = st.lists(st.tuples(st.integers(0, 20).map(lambda k: k / 20), st.booleans()), min_size=1, max_size=60)


def test_brier_gives_the_reference_value_and_that_of_scikit_learn() -> None:
    assert brier(F, Y) == pytest.approx(0.23525, abs=1e-12)
    assert brier(F, Y) == pytest.approx(brier_score_loss(Y, F))


def test_murphy_gives_the_reference_parts() -> None:
    forecasts = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 4)
    hits = np.concatenate([[1] * k + [0] * (4 - k) for k in (1, 1, 2, 3, 4)])
    parts = murphy(forecasts, hits)
    values = (parts.miscalibration, parts.discrimination, parts.uncertainty)
    assert values == pytest.approx((0.0075, 0.085, 0.2475), abs=1e-12)
    assert parts.brier == pytest.approx(0.17, abs=1e-12)


def test_corp_gives_the_reference_parts() -> None:
    parts = corp(F, Y)
    values = (parts.miscalibration, parts.discrimination, parts.uncertainty)
    assert values == pytest.approx((0.06025, 0.075, 0.25), abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(labels)
def test_the_parts_always_add_up_to_the_score(given_labels: list[tuple[float, bool]]) -> None:
    f, y = (np.array(column, dtype=float) for column in zip(*given_labels, strict=True))
    for parts in (murphy(f, y), corp(f, y)):
        assert parts.brier == pytest.approx(brier(f, y), abs=1e-12)
        assert min(parts.miscalibration, parts.discrimination, parts.uncertainty) >= -1e-12


def test_spiegelhalter_gives_the_reference_value() -> None:
    assert spiegelhalter(F, Y).z == pytest.approx(1.098902, abs=1e-6)


@settings(max_examples=100, deadline=None)
@given(labels)
def test_spiegelhalter_equals_that_of_mapie_or_refuses(given_labels: list[tuple[float, bool]]) -> None:
    f, y = (np.array(column, dtype=float) for column in zip(*given_labels, strict=True))
    if np.isin(f, [0, 0.5, 1]).all():
        with pytest.raises(InsufficientDataError) as refused:
            spiegelhalter(f, y)
        assert refused.value.reason is Reason.NO_VARIANCE
        return
    result = spiegelhalter(f, y)
    assert result.z == pytest.approx(spiegelhalter_statistic(y.astype(int), f), abs=1e-9)
    # MAPIE's p is one-sided.
    upper = spiegelhalter_p_value(y.astype(int), f)
    assert result.p == pytest.approx(2 * min(upper, 1 - upper), abs=1e-9)


def test_a_calibrated_model_is_rejected_as_seldom_as_the_level_says() -> None:
    rng = np.random.default_rng(2)
    rejected = 0
    for _ in range(1000):
        f = rng.uniform(0.5, 1, 200)
        rejected += spiegelhalter(f, rng.random(200) < f).p < 0.05
    # four standard deviations of a share of 5 % in 1,000
    assert abs(rejected / 1000 - 0.05) < 0.028
