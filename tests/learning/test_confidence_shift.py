"""Shifts of confidence against the same hours of other days: what is told, and what is only rhythm."""

from collections.abc import Iterator

import numpy as np
import pytest

from interlock.learning.arrays import Floats
from interlock.learning.confidence_shift import Shift, ShiftMonitor

DAY = 86_400_000_000
START = 20_454 * DAY
PER_DAY = 1_000


def _doubt(confidence: Floats) -> Floats:
    return 1 - confidence


def _stream(days: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).beta(6, 1.2, days * PER_DAY)


def _shifts(values: Floats, monitor: ShiftMonitor | None = None) -> Iterator[tuple[int, Shift]]:
    monitor = monitor or ShiftMonitor(0.01)
    for number, value in enumerate(np.clip(values, 0, 1).tolist()):
        shift = monitor.update(value, START + number * DAY // PER_DAY, _doubt)
        if shift is not None:
            yield number, shift


def test_the_rhythm_of_a_day_is_no_shift() -> None:
    clock = np.arange(30 * PER_DAY) / PER_DAY
    assert not list(_shifts(_stream(30) + 0.03 * np.sin(2 * np.pi * clock)))


def test_weekends_are_no_shift_once_two_weeks_are_known() -> None:
    day = np.arange(28 * PER_DAY) // PER_DAY
    for number, shift in _shifts(_stream(28) - 0.04 * (day % 7 >= 5)):
        assert number < 14 * PER_DAY
        assert not shift.weekly


def test_days_that_differ_for_no_reason_are_no_shift() -> None:
    day = np.arange(28 * PER_DAY) // PER_DAY
    effect = np.random.default_rng(3).normal(0, 0.01, 28)
    assert not list(_shifts(_stream(28) + effect[day]))


@pytest.mark.parametrize("by", [-0.05, 0.05])
def test_the_first_word_on_a_shift_has_its_sign_and_an_interval_around_it(by: float) -> None:
    values = np.random.default_rng(4).beta(6, 3, 12 * PER_DAY)
    values[10 * PER_DAY :] += by
    number, shift = next(_shifts(values))
    assert 10 * PER_DAY <= number < 11 * PER_DAY
    assert np.sign(shift.low) == np.sign(shift.high) == np.sign(by)
    assert shift.low < shift.size < shift.high
    # By its own confidence the model errs as much more as its confidence is lower.
    assert shift.errors == pytest.approx(-shift.size, abs=2e-3)
    assert shift.errors_low < shift.errors < shift.errors_high


def test_a_shift_below_the_least_of_interest_is_not_told() -> None:
    values = _stream(12)
    values[6 * PER_DAY :] -= 0.03
    assert not list(_shifts(values, ShiftMonitor(0.05)))


def test_without_two_other_days_nothing_is_known() -> None:
    values = _stream(2)
    values[PER_DAY:] -= 0.3
    assert not list(_shifts(values))


def test_days_up_to_the_last_shift_are_of_another_world() -> None:
    values = _stream(12)
    values[6 * PER_DAY :] -= 0.05
    monitor = ShiftMonitor(0.01)
    since = START + 6 * DAY + DAY // 2
    for number, value in enumerate(np.clip(values, 0, 1).tolist()):
        shift = monitor.update(value, START + number * DAY // PER_DAY, _doubt, since)
        assert shift is None


def test_times_that_are_far_off_disturb_nothing() -> None:
    monitor = ShiftMonitor(0.01)
    stray = np.random.default_rng(5)
    for number, value in enumerate(_stream(70).tolist()[: 20 * PER_DAY]):
        at = START + number * DAY // PER_DAY
        if number % 50 == 0:
            assert monitor.update(0.0, int(stray.integers(0, 4 * 10**15)), _doubt) is None
        assert monitor.update(value, at, _doubt) is None
    assert len(monitor._sums) < 70
