"""Two models on the same cases: the intervals hold what they promise, also where people saw few of the cases."""

import numpy as np
import pytest

from interlock.learning.comparison import compare, difference
from interlock.learning.insufficient_data import InsufficientDataError


def test_a_small_example_by_hand() -> None:
    champion, challenger, pi = [1, 1, 0, 0], [1, 0, 1, 1], [1.0, 1.0, 0.5, 1.0]
    compared = compare(champion, challenger, pi)
    assert [compared.champion.value, compared.challenger.value] == pytest.approx([2 / 5, 4 / 5])
    assert compared.difference.value == pytest.approx(2 / 5)
    assert -1 <= compared.difference.low < 2 / 5 < compared.difference.high <= 1


def test_two_models_that_never_differ_are_not_proved_equal() -> None:
    compared = difference([1.0] * 30, [1.0] * 30, [1.0] * 30)
    assert compared.value == 0
    assert compared.low == pytest.approx(-compared.high)
    # Zero of thirty differ: the exact upper bound for either way is 1 - 0.025 ** (1 / 30) = 0.116.
    assert 0.05 < compared.high < 0.15


@pytest.mark.parametrize("pi", [[0.0, 1.0], [1.5, 1.0], [float("nan"), 1.0]])
def test_a_propensity_that_is_none_is_refused(pi: list[float]) -> None:
    with pytest.raises(InsufficientDataError):
        compare([1, 0], [0, 0], pi)


def test_nothing_is_refused_by_name() -> None:
    with pytest.raises(InsufficientDataError, match="empty"):
        compare([], [], [])


@pytest.mark.parametrize(("count", "better", "worse"), [(150, 0.10, 0.02), (400, 0.04, 0.04), (60, 0.0, 0.05)])
def test_the_interval_of_the_difference_covers_the_truth_under_selection(
    count: int, better: float, worse: float
) -> None:
    """Cases that people are sure to see differ more often than those of which a fifth is audited."""
    rng = np.random.default_rng(count)
    covered, runs = 0, 800
    values = []
    for _ in range(runs):
        doubtful = rng.random(count) < 0.3
        pi = np.where(doubtful, 1.0, 0.2)
        scale = np.where(doubtful, 2.0, 0.5)
        u = rng.random(count)
        d = (u < better * scale).astype(float) - (u > 1 - worse * scale)
        seen = rng.random(count) < pi
        champion, challenger = np.where(d < 0, 1.0, 0.0), np.where(d > 0, 1.0, 0.0)
        compared = difference(champion[seen], challenger[seen], pi[seen])
        values.append(compared.value)
        covered += compared.low <= (better - worse) * 0.95 <= compared.high
    # The mean of `scale` is 0.95.
    assert abs(np.mean(values) - (better - worse) * 0.95) < 4 * np.std(values) / runs**0.5 + 0.002
    assert covered / runs > 0.935
