"""Appropriate reliance and its intervals: published values, and how often the intervals cover the truth."""

import numpy as np
import pytest

from interlock.learning.reliance import (
    FEW,
    Judgement,
    Share,
    reliance,
    share,
    share_difference,
    time_ratio,
    too_few_overrides,
)


def judged(
    first: str, shown: str, outcome: str, arm: str = "decide-first", *, right: str = "yes", seeded: bool = False
) -> Judgement:
    return Judgement(arm, right, shown, first, outcome, seeded, 60.0)


def counts(found: Share) -> tuple[int, int]:
    return found.count, found.of


def test_the_difference_of_shares_has_the_published_interval() -> None:
    # Newcombe 1998, example (a): 56/70 against 48/80, method 10.
    one, other = share([True] * 56 + [False] * 14), share([True] * 48 + [False] * 32)
    found = share_difference(one, other)
    assert found.estimate == pytest.approx(0.2)
    assert (found.lower, found.upper) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_each_measure_counts_the_verdicts_that_it_speaks_of() -> None:
    verdicts = [
        *[judged("no", "yes", "yes")] * 3,
        judged("no", "yes", "no"),
        *[judged("yes", "no", "yes", seeded=True)] * 2,
        judged("yes", "no", "no"),
        judged("", "no", "no", "ai-first", seeded=True),
        judged("", "yes", "yes", "ai-first"),
        judged("no", "yes", "yes", right=""),
    ]
    found = reliance(verdicts)
    assert (found.judgements, found.known) == (10, 9)
    assert counts(found.relative_ai_reliance) == (3, 4)
    assert counts(found.relative_self_reliance) == (2, 3)
    assert counts(found.detection) == (2, 3)
    assert counts(found.over_reliance) == (2, 4)
    assert counts(found.under_reliance) == (1, 5)
    assert counts(found.accuracy_ai_first) == (1, 2)
    assert counts(found.accuracy_decide_first) == (5, 7)


def test_below_a_dozen_there_are_too_few_to_say_and_from_then_on_there_is_an_estimate() -> None:
    assert share([True] * (FEW - 1)).estimate is None
    assert share([True] * FEW).estimate == 1.0
    assert share_difference(share([True] * FEW), share([])).estimate is None
    assert time_ratio([1.0] * FEW, [1.0]).estimate is None
    assert reliance([]).time_effect.estimate is None


def test_the_ratio_of_times_is_that_of_geometric_means() -> None:
    found = time_ratio([120.0, 240.0] * 10, [60.0, 120.0] * 10)
    assert found.estimate == pytest.approx(2.0)
    # Welch on logarithms: standard error ln 2 / 2 · √(20/19) · √(2/20), 38 degrees of freedom.
    half = 2.0244 * np.log(2) / 2 * np.sqrt(20 / 19) * np.sqrt(0.1)
    assert (found.lower, found.upper) == pytest.approx((2 * np.exp(-half), 2 * np.exp(half)), rel=1e-4)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(7)
    runs, covered = 600, np.zeros(3)
    for _ in range(runs):
        one, other = (share(list(rng.random(n) < p)) for n, p in ((40, 0.8), (60, 0.6)))
        difference = share_difference(one, other)
        times = time_ratio(list(rng.lognormal(0.3, 0.5, 30)), list(rng.lognormal(0, 0.8, 40)))
        assert difference.lower is not None
        assert difference.upper is not None
        assert times.lower is not None
        assert times.upper is not None
        covered += [
            one.lower <= 0.8 <= one.upper,
            difference.lower <= 0.2 <= difference.upper,
            times.lower <= np.exp(0.3) <= times.upper,
        ]
    # 95 % within four standard errors.
    assert np.all(np.abs(covered / runs - 0.95) < 0.036)


def test_who_overrides_as_often_as_the_model_errs_is_hardly_ever_named_however_often_one_looks() -> None:
    rng = np.random.default_rng(11)
    looks, runs, named = range(20, 401, 20), 150, 0
    for _ in range(runs):
        overrides, errors = rng.random(400) < 0.1, rng.random(400) < 0.1
        named += any(too_few_overrides(int(overrides[:n].sum()), n, int(errors[:n].sum()), n) for n in looks)
    assert named / runs <= 0.05


def test_who_agrees_with_everything_is_named_once_the_model_is_known_to_err() -> None:
    assert too_few_overrides(0, 300, 30, 200)
    assert not too_few_overrides(0, 300, 0, 200)
    assert not too_few_overrides(0, 10, 30, 200)
