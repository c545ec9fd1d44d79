"""The change detector against its definition, and what its bounds promise for whatever start is chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.learning.change_point import ChangeDetector, bounds_since
from interlock.learning.insufficient_data import InsufficientDataError

outcomes = st.lists(st.tuples(st.booleans(), st.sampled_from([0.05, 0.5, 1.0])), min_size=1, max_size=40)


def _capital(outcomes: list[tuple[bool, float]], bet: float, limit: float) -> list[float]:
    """Capital of the bet that begins at each outcome."""
    grown = [1 + bet * weight * (value - limit) for value, weight in outcomes]
    return [float(np.prod(grown[start:])) for start in range(len(grown))]


@given(outcomes, st.floats(0.02, 0.9))
def test_evidence_is_the_sum_of_the_capital_of_bets_from_every_start(
    given_outcomes: list[tuple[bool, float]], limit: float
) -> None:
    bets = [0.9 / limit * 0.5**k for k in range(7)]
    by_bet = [_capital(given_outcomes, bet, limit) for bet in bets]
    evidence = float(np.mean([sum(capital) for capital in by_bet]))
    for run_length, exceeded in ((max(1.0, evidence * 0.999), evidence >= 1), (max(1.0, evidence * 1.001), False)):
        detector = ChangeDetector(limit, run_length)
        for value, weight in given_outcomes:
            detector.add(float(value), weight)
        assert detector.exceeded == exceeded
    best = max(by_bet, key=max)
    assert best[detector.since] == pytest.approx(max(best), rel=1e-9)


def test_the_change_is_dated_near_its_outcome() -> None:
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(10):
        detector = ChangeDetector(0.15)
        for number in range(1_600):
            detector.add(float(rng.random() < (0.1 if number < 1_000 else 0.4)), 1.0)
        assert detector.exceeded
        errors.append(detector.since - 1_000)
    assert abs(np.median(errors)) <= 15
    assert max(map(abs, errors)) <= 100


def test_the_bounds_hold_the_rate_though_the_start_was_chosen_to_be_the_worst() -> None:
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(40):
        values = (rng.random(1_000) < 0.1).astype(np.float64)
        sums = np.cumsum(values - 0.1)
        start = min(int(np.argmin(sums)), 980)
        low, high = bounds_since(values[start:], np.ones(1_000 - start), 1_000)
        assert low < high
        missed += not low <= 0.1 <= high
    assert missed <= 2


def test_a_run_length_below_one_is_refused() -> None:
    with pytest.raises(InsufficientDataError, match="run_length"):
        ChangeDetector(0.15, 0.5)


_OUTCOMES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.05, 0.5, 1.0]), st.booleans()), min_size=1, max_size=120
)


@given(_OUTCOMES, st.integers(0, 60))
def test_what_is_said_while_some_are_open_is_still_said_once_all_are_judged_in_whichever_order(
    outcomes: list[tuple[bool, float, bool]], counted: int
) -> None:
    whole, running = ChangeDetector(0.15, run_length=20), ChangeDetector(0.15, run_length=20)
    for number, (wrong, weight, _) in enumerate(outcomes):
        whole.add(float(wrong), weight)
        if number < counted:
            running.add(float(wrong), weight)
    later = outcomes[counted:]
    judged = [(float(wrong), weight) for wrong, weight, is_open in later if not is_open]
    values, weights = np.array([value for value, _ in judged]), np.array([weight for _, weight in judged])
    still_open = np.array([weight for _, weight, is_open in later if is_open])
    assert whole.exceeded or not running.exceeds_with(values, weights, still_open)
    everything = np.array([float(wrong) for wrong, *_ in later]), np.array([weight for _, weight, _ in later])
    assert running.exceeds_with(*everything, np.array([])) == whole.exceeded


def test_bounds_since_a_change_take_what_is_open_for_right_below_and_for_wrong_above() -> None:
    values = np.random.default_rng(4).random(400) < 0.4
    closed = bounds_since(values.astype(float), np.ones(400), 400)
    few_open = bounds_since(values.astype(float), np.ones(400), 400, open_weights=np.ones(40))
    assert few_open[0] < closed[0] < 0.4 < closed[1] < few_open[1]
