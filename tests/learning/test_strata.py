"""Totals over strata, from the judged decisions of each."""

import numpy as np
import pytest

from interlock.learning.strata import Stratum, total


def _stratum(population: int, judged: int, wrong: int, pi: float = 1.0) -> Stratum:
    return Stratum(population, judged, judged / pi, judged / pi**2, wrong / pi)


def test_where_all_are_judged_the_total_is_what_was_counted() -> None:
    result = total([_stratum(100, 100, 7), _stratum(50, 50, 0)])
    assert (result.value, result.low, result.high) == pytest.approx((7, 7, 7))
    assert (result.population, result.unknown, result.judged) == (150, 0, 150)
    assert result.next_low < 7 < result.next_high  # others like them vary all the same


def test_where_nobody_has_judged_nothing_is_claimed() -> None:
    result = total([_stratum(100, 0, 0), _stratum(10, 10, 1)])
    assert (result.value, result.population, result.unknown) == (1, 10, 100)


def test_intervals_hold_the_truth_of_these_decisions_and_of_the_next_ones() -> None:
    draw = np.random.default_rng(3)
    sizes, rates, pis = (4000, 300), (0.04, 0.15), (0.05, 1.0)
    held = {"these": 0, "next": 0}
    runs = 400
    for _ in range(runs):
        strata, these = [], 0
        for size, rate, pi in zip(sizes, rates, pis, strict=True):
            wrong = draw.random(draw.poisson(size)) < rate
            seen = draw.random(len(wrong)) < pi
            strata.append(_stratum(len(wrong), int(seen.sum()), int(wrong[seen].sum()), pi))
            these += int(wrong.sum())
        following = sum(int(draw.binomial(draw.poisson(size), rate)) for size, rate in zip(sizes, rates, strict=True))
        result = total(strata)
        held["these"] += result.low <= these <= result.high
        held["next"] += result.next_low <= following <= result.next_high
    assert held["these"] / runs >= 0.92
    assert held["next"] / runs >= 0.92


def test_the_intervals_hold_where_few_audits_find_few_errors() -> None:
    """As in a week of the employment example: audits of 600 sure answers, a few of which are wrong."""
    draw = np.random.default_rng(4)
    size, rate, pi, doubtful, doubted = 600, 0.07, 0.05, 2_000, 0.25
    held = {"these": 0, "next": 0}
    runs = 400
    for _ in range(runs):
        wrong = draw.random(draw.poisson(size)) < rate
        seen = draw.random(len(wrong)) < pi
        sure = _stratum(len(wrong), int(seen.sum()), int(wrong[seen].sum()), pi)
        held["these"] += total([sure]).low <= wrong.sum() <= total([sure]).high
        before, after = draw.poisson(doubtful, 2)
        known = _stratum(int(before), int(before), int(draw.binomial(before, doubted)))
        following = draw.binomial(after, doubted)
        result = total([known])
        held["next"] += result.next_low <= following <= result.next_high
    assert held["these"] / runs >= 0.95
    assert held["next"] / runs >= 0.94
