import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from interlock.learning.calibration import (
    BLOCKS,
    IDENTITY,
    TEMPERATURE_BELOW,
    LogOdds,
    fit,
    log_loss,
    log_odds,
    recalibrate,
)
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.processors.router.calibration import EPSILON, Calibration, calibrate

# Confidences and labels of an overconfident model: log-odds twice too large.
RNG = np.random.default_rng(11)
CONFIDENCE = np.clip(RNG.beta(8, 1.5, 1000), 0.01, 0.99)
CORRECT = (RNG.random(1000) < LogOdds(0.2, 0.5).apply(CONFIDENCE)).astype(float)

labels = st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.floats(0.01, 100)), min_size=1, max_size=60)


def test_almost_unshrunk_it_is_logistic_regression_on_log_odds() -> None:
    fitted = fit(CONFIDENCE, CORRECT, shrinkage=1e-9)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds(CONFIDENCE)[:, None], CORRECT)
    assert fitted.slope == pytest.approx(oracle.coef_[0, 0], abs=1e-4)
    assert fitted.intercept == pytest.approx(oracle.intercept_[0], abs=1e-4)


def test_weights_enter_as_in_logistic_regression() -> None:
    weights = RNG.uniform(1, 3, 1000)
    fitted = fit(CONFIDENCE, CORRECT, weights, shrinkage=1e-9)
    oracle = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds(CONFIDENCE)[:, None], CORRECT, weights)
    assert fitted.slope == pytest.approx(oracle.coef_[0, 0], abs=1e-4)
    assert fitted.intercept == pytest.approx(oracle.intercept_[0], abs=1e-4)


def test_below_400_labels_only_the_slope_is_fitted() -> None:
    few = TEMPERATURE_BELOW - 1
    fitted = fit(CONFIDENCE[:few], CORRECT[:few], shrinkage=1e-9)
    oracle = LogisticRegression(C=np.inf, tol=1e-10, fit_intercept=False)
    oracle.fit(log_odds(CONFIDENCE[:few])[:, None], CORRECT[:few])
    assert fitted.intercept == 0
    assert fitted.slope == pytest.approx(oracle.coef_[0, 0], abs=1e-4)
    assert fit(CONFIDENCE[: few + 1], CORRECT[: few + 1]).intercept != 0


def test_labels_of_unequal_weight_count_by_their_effective_number() -> None:
    weights = np.where(np.arange(1000) < 50, 100.0, 1.0)
    fitted = fit(CONFIDENCE, CORRECT, weights)
    assert fitted.labels == 1000
    assert fitted.effective == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
    assert fitted.effective < TEMPERATURE_BELOW
    assert fitted.intercept == 0


def test_the_unit_of_weights_does_not_matter() -> None:
    weights = RNG.uniform(1, 20, 1000)
    plain, scaled = fit(CONFIDENCE, CORRECT, weights), fit(CONFIDENCE, CORRECT, weights * 1000)
    assert (plain.slope, plain.intercept) == pytest.approx((scaled.slope, scaled.intercept), abs=1e-6)


def test_shrinkage_pulls_towards_the_identity_and_less_so_with_more_labels() -> None:
    strong = fit(CONFIDENCE, CORRECT, shrinkage=1e9)
    assert (strong.slope, strong.intercept) == pytest.approx((1, 0), abs=1e-5)
    free = fit(CONFIDENCE, CORRECT, shrinkage=1e-9).slope
    many = fit(np.tile(CONFIDENCE, 10), np.tile(CORRECT, 10)).slope
    assert abs(many - free) < abs(fit(CONFIDENCE, CORRECT).slope - free)


def test_the_router_applies_the_curve_that_was_fitted() -> None:
    fitted = fit(CONFIDENCE, CORRECT)
    confidence = np.array([0.0, EPSILON / 2, 0.2, 0.5, 0.97, 1.0])
    frame = pl.DataFrame({"model_id": ["m"] * 6, "model_version": ["1"] * 6, "confidence": confidence})
    routed, _, _ = calibrate(frame, {("m", "1"): Calibration("v", fitted.intercept, fitted.slope)})
    assert fitted.apply(confidence) == pytest.approx(routed.to_numpy(), abs=1e-12)


@settings(max_examples=80, deadline=None)
@given(labels)
def test_whatever_the_labels_the_answer_is_a_rising_curve_or_a_refusal(
    given_labels: list[tuple[float, bool, float]],
) -> None:
    confidence, correct, weights = (np.array(column, dtype=float) for column in zip(*given_labels, strict=True))
    try:
        recalibration = recalibrate(confidence, correct, weights)
    except InsufficientDataError:
        # What is not refused must be a curve; that the right labels are refused is tested below.
        return
    assert recalibration.model.slope > 0
    assert np.isfinite(
        [recalibration.model.slope, recalibration.model.intercept, recalibration.gain, recalibration.error]
    ).all()
    curve = recalibration.model.apply(np.linspace(0, 1, 50))
    assert (np.diff(curve) >= 0).all()
    assert np.isfinite(log_loss(curve, np.ones(50))).all()


def test_a_block_is_predicted_from_the_labels_before_it_alone() -> None:
    size = len(CORRECT) // BLOCKS
    flipped = CORRECT.copy()
    flipped[-1] = 1 - flipped[-1]
    earlier = fit(CONFIDENCE[:-size], CORRECT[:-size]).apply(CONFIDENCE[-1:])

    def gain(label: float) -> float:
        y = np.array([label])
        return float((log_loss(CONFIDENCE[-1:], y) - log_loss(earlier, y))[0])

    change = recalibrate(CONFIDENCE, flipped).gain - recalibrate(CONFIDENCE, CORRECT).gain
    assert change * len(CORRECT) == pytest.approx(gain(flipped[-1]) - gain(CORRECT[-1]), abs=1e-5)


def test_an_overconfident_model_is_recalibrated() -> None:
    recalibration = recalibrate(CONFIDENCE, CORRECT)
    assert recalibration.deploy
    assert recalibration.gain > 2 * recalibration.error
    assert recalibration.model.slope == pytest.approx(0.5, abs=0.15)


def test_a_recalibration_that_would_have_harmed_is_not_deployed() -> None:
    # Labels that first look overconfident and then are as the model says: what was learnt then is wrong now.
    rng = np.random.default_rng(3)
    confidence = rng.beta(8, 1.5, 600)
    true = np.where(np.arange(600) < 150, LogOdds(0.0, 0.1).apply(confidence), IDENTITY.apply(confidence))
    recalibration = recalibrate(confidence, rng.random(600) < true)
    assert recalibration.gain < 0
    assert not recalibration.deploy


@pytest.mark.parametrize(
    ("confidence", "correct", "reason"),
    [
        ([0.9, 0.8], [1, 1], Reason.SINGLE_CLASS),
        ([0.9], [0], Reason.SINGLE_CLASS),
        ([0.9, 0.9, 0.9], [1, 0, 1], Reason.CONSTANT_CONFIDENCE),
        ([0.6, 0.7, 0.8, 0.9] * 20, [1, 1, 0, 0] * 20, Reason.REVERSED),
        ([], [], Reason.NO_DATA),
        ([0.9, 0.8], [1], Reason.LENGTHS_DIFFER),
        ([0.9, np.nan], [1, 0], Reason.NOT_A_PROBABILITY),
        ([0.9, 1.1], [1, 0], Reason.NOT_A_PROBABILITY),
        ([0.9, 0.8], [1, 2], Reason.NOT_BINARY),
        ([0.9, 0.8], [1, np.nan], Reason.NOT_BINARY),
    ],
)
def test_labels_that_show_no_curve_are_refused_by_name(
    confidence: list[float], correct: list[float], reason: Reason
) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        fit(confidence, correct)
    assert refused.value.reason is reason


@pytest.mark.parametrize("weight", [0.0, -1.0, np.inf, np.nan])
def test_a_weight_that_is_no_weight_is_refused_and_located(weight: float) -> None:
    with pytest.raises(InsufficientDataError, match="element 1 is") as refused:
        fit([0.9, 0.8], [1, 0], [1.0, weight])
    assert refused.value.reason is Reason.BAD_WEIGHT


@pytest.mark.parametrize("shrinkage", [0.0, -1.0, np.inf, np.nan])
def test_shrinkage_must_be_positive(shrinkage: float) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        fit([0.9, 0.8], [1, 0], shrinkage=shrinkage)
    assert refused.value.reason is Reason.BAD_PARAMETER
