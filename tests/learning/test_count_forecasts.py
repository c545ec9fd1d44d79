"""Bands of counts, from the counts of past hours."""

import numpy as np
import pytest

from interlock.learning.count_forecasts import forecast


def test_a_day_is_a_cycle_once_it_was_seen_four_times() -> None:
    day = [0.0] * 12 + [10.0] * 12
    assert len(forecast(day * 3).hours) == 1
    hours = forecast(day * 4).hours
    assert [band.mean for band in hours] == day
    assert (hours[0].low, hours[0].high) == (0, 0)
    assert hours[12].low < 10 < hours[12].high
    assert len(forecast(day * 28).hours) == 7 * 24


def test_a_total_is_what_came_with_a_band_for_another_period_of_this_length() -> None:
    result = forecast([5.0] * 48)
    assert result.total.mean == 240
    assert 150 < result.total.low < 240 < result.total.high < 330


@pytest.mark.parametrize("shape", [None, 3.0])
def test_bands_hold_the_next_counts_whether_they_vary_as_poisson_or_more(shape: float | None) -> None:
    draw = np.random.default_rng(5)
    profile = np.tile(np.concatenate([np.full(12, 2.0), np.full(12, 20.0)]), 7)
    hours, totals, runs = 0, 0, 200

    def counts() -> np.ndarray:
        level = profile if shape is None else profile * draw.gamma(shape, 1 / shape, len(profile))
        return draw.poisson(level)

    for _ in range(runs):
        result = forecast(counts().tolist())
        following = counts()
        bands = [result.hours[hour % 24] for hour in range(len(following))]
        hours += sum(band.low <= count <= band.high for band, count in zip(bands, following, strict=True))
        totals += result.total.low <= following.sum() <= result.total.high
    assert hours / runs / len(profile) >= 0.92
    assert totals / runs >= 0.92
