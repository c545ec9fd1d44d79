"""Why two numbers that every textbook recommends are not used: a rolling override rate, and buckets from their edge."""

import numpy as np
import pytest
from scipy.stats import binom

from bench.gates.drift import DECISIONS
from examples import car_loan
from interlock.learning.calibration_metrics import bins
from interlock.learning.estimates import naive


@pytest.mark.parametrize(("rate", "alarm"), [(0.12, 0.1414), (0.10, 0.0399)])
def test_a_rolling_hundred_is_over_the_limit_often_though_the_rate_is_below_it(rate: float, alarm: float) -> None:
    assert binom.sf(15, 100, rate) == pytest.approx(alarm, abs=5e-5)


def test_looked_at_fifty_times_it_asks_for_training_a_good_model_in_seven_of_eight_cases() -> None:
    looks = DECISIONS // 100
    assert 1 - binom.cdf(15, 100, 0.10) ** looks == pytest.approx(0.87, abs=0.005)
    overridden = np.random.default_rng(1).random((2_000, looks, 100)) < 0.10
    ever = (overridden.sum(axis=2) > 15).any(axis=1).mean()
    assert ever == pytest.approx(0.87, abs=3 * (0.87 * 0.13 / 2_000) ** 0.5)


def test_from_the_edge_of_its_bucket_a_model_that_is_a_tenth_too_sure_seems_only_half_as_wrong() -> None:
    confidence = np.linspace(0.9, 0.9999, 10_000)
    correct = np.random.default_rng(2).random(10_000) < confidence - 0.1
    (bucket,) = bins(confidence, correct)
    assert abs(bucket.accuracy - bucket.low) == pytest.approx(0.05, abs=0.013)
    assert bucket.gap == pytest.approx(-0.10, abs=0.013)


def test_the_rate_of_the_reviewed_is_twice_that_of_all() -> None:
    confidence = np.array([decision.confidence for decision in car_loan.decisions()])[: car_loan.CHANGE]
    wrong = np.array(car_loan.wrong(), dtype=np.float64)[: car_loan.CHANGE]
    assert wrong.mean() == pytest.approx(0.056, abs=0.0005)
    assert naive(wrong, confidence < 0.95).value == pytest.approx(0.115, abs=0.0005)
