"""Published figures of the car-loan stream: what selection hides, and when drift shows."""

import numpy as np
import pytest
from river.drift import ADWIN, KSWIN

from examples import car_loan
from interlock.learning.calibration import fit
from interlock.learning.estimates import hajek

SURE = 0.95


@pytest.fixture(scope="module")
def confidence() -> np.ndarray:
    return np.array([decision.confidence for decision in car_loan.decisions()])


@pytest.fixture(scope="module")
def correct() -> np.ndarray:
    return 1.0 - np.array(car_loan.wrong(), dtype=np.float64)


def test_calibration_on_reviewed_decisions_alone_promises_too_much_of_those_nobody_saw(
    confidence: np.ndarray, correct: np.ndarray
) -> None:
    sure = confidence >= SURE
    assert correct[sure].mean() == pytest.approx(0.974, abs=0.001)
    reviewed_only = fit(confidence[~sure], correct[~sure])
    # The published 99.6 % is of another sample of reviewed decisions of the same stream.
    assert reviewed_only.apply(confidence[sure]).mean() == pytest.approx(0.996, abs=0.004)


def test_audits_of_a_tenth_tell_the_truth_about_them(confidence: np.ndarray, correct: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    sure = np.flatnonzero(confidence >= SURE)
    sample = rng.choice(sure, 10_000, replace=False)
    propensity = np.full(len(sample), 0.1)
    estimate = hajek(correct[sample], rng.random(len(sample)) < propensity, propensity)
    assert estimate.value == pytest.approx(0.9765, abs=0.0096)
    assert estimate.low < correct[sure].mean() < estimate.high


def first_alarm(values: np.ndarray) -> int | None:
    monitor = ADWIN()  # type: ignore[no-untyped-call, unused-ignore]
    for row, value in enumerate(values):
        monitor.update(float(value))  # type: ignore[no-untyped-call, unused-ignore]
        if monitor.drift_detected:
            return row
    return None


@pytest.mark.parametrize(("what", "published"), [("confidence", 75_295), ("errors", 76_959)])
def test_adwin_sees_the_change_and_nothing_before_it(
    what: str, published: int, confidence: np.ndarray, correct: np.ndarray
) -> None:
    first = first_alarm(confidence if what == "confidence" else 1.0 - correct)
    assert first is not None
    assert first >= car_loan.CHANGE
    assert first == pytest.approx(published, abs=64)  # river checks every 32 decisions


def test_kswin_gives_the_published_false_alarms_before_the_change(confidence: np.ndarray) -> None:
    rows, alarms = 8_000, 0
    monitor = KSWIN(seed=1)
    for value in confidence[:rows]:
        monitor.update(float(value))  # type: ignore[no-untyped-call, unused-ignore]
        alarms += monitor.drift_detected
    # Published: 39 in 75,000. Three standard deviations of as many in the first rows.
    expected = 39 * rows / car_loan.CHANGE
    assert 0 < alarms < expected + 3 * expected**0.5
