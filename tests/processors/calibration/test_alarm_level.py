"""How often what halts is wrong."""

import numpy as np
import pytest

from bench.gates.drift import certificate_alarms
from interlock.platform.settings import CalibrationSettings as RoleSettings
from interlock.processors.calibration.alarm_level import (
    FALSE_ALARMS_PER_YEAR,
    REVIEWS_PER_YEAR,
    alarm_level,
)
from interlock.processors.calibration.rate import ReviewedRate


def test_a_certificate_that_just_keeps_its_promise_is_halted_no_more_often_than_the_level_says() -> None:
    # At a level a hundred times as lax, so that there is something to count.
    level = 100 * FALSE_ALARMS_PER_YEAR
    alarms, reviews = certificate_alarms(0.05, 0.05, runs=100, reviews=6_000, level=level)
    expected = level / REVIEWS_PER_YEAR * reviews.sum() + alarm_level().ever * 100
    assert 0 < alarms <= expected + 3 * expected**0.5


def test_a_smaller_rate_of_false_alarms_wants_more_evidence() -> None:
    assert alarm_level(0.1).quick == pytest.approx(alarm_level(2.0).quick / 20)


def test_the_simulated_monitor_is_the_one_that_halts() -> None:
    rng = np.random.default_rng(3)
    wrong = rng.random((3, 3_000)) < 0.12
    level = alarm_level()
    first = []
    for row in wrong:
        monitor = ReviewedRate(0.05, alpha=level.ever, quick=level.quick, forget=np.logaddexp)
        first.append(next(n for n, its in enumerate(row.tolist(), 1) if monitor.update(its, 1.0) is not None))
    alarms, reviews = certificate_alarms(wrong=wrong)
    assert alarms == 3
    assert reviews.tolist() == first


def test_the_default_of_the_setting_is_that_of_the_level() -> None:
    assert RoleSettings().false_alarms_per_year == FALSE_ALARMS_PER_YEAR
