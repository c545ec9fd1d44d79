"""Drift: what each monitor notices, what it says, and what it never does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.learning.drift import KAPPAS, RateMonitor, e_values, step
from interlock.learning.insufficient_data import InsufficientDataError, Reason


def test_a_rate_above_the_limit_is_proved_once_and_says_how_high_it_was() -> None:
    rng = np.random.default_rng(2)
    monitor = RateMonitor(0.15)
    alarms = [alarm for at in range(2000) for alarm in monitor.update(bool(rng.random() < 0.3), 1.0, at)]
    assert [alarm.kind for alarm in alarms].count("rate-above-limit") == 1
    assert [alarm.kind for alarm in alarms].count("rate-rose") == 1
    first = alarms[0]
    assert first.kind == "rate-above-limit"
    assert first.at == first.decisions - 1 < 200
    assert "above 0.15" in first.why
    assert f"over {first.decisions:,} decisions" in first.why
    monitor.restart()
    assert monitor.update(True, 1.0, 0) == []


def test_a_late_rise_is_noticed_although_a_long_good_past_hides_it() -> None:
    rng = np.random.default_rng(3)
    monitor = RateMonitor(0.15)
    rates = np.where(np.arange(6000) < 5000, 0.05, 0.4)
    alarms = [alarm for at in range(6000) for alarm in monitor.update(bool(rng.random() < rates[at]), 1.0, at)]
    assert [alarm.kind for alarm in alarms] == ["rate-rose"]
    assert 5000 < alarms[0].at < 5100


def test_weighted_overrides_speak_of_the_population() -> None:
    # Truth 10 %: half is always reviewed and overridden at 19 %, half audited at one in five and overridden at 1 %.
    rng = np.random.default_rng(4)
    weighted, naive = RateMonitor(0.15), RateMonitor(0.15)
    for at in range(4000):
        doubt = rng.random() < 0.5
        propensity = 1.0 if doubt else 0.2
        reviewed = rng.random() < propensity
        overridden = bool(reviewed and rng.random() < (0.19 if doubt else 0.01))
        assert weighted.update(overridden, propensity, at) == []
        if reviewed:
            naive.update(overridden, 1.0, at)
    # Over reviewed items the rate is 16 %, above the limit: only the weights keep the first monitor calm.
    assert naive._weighted / naive._decisions > 0.15 > weighted._weighted / weighted._decisions


@given(st.lists(st.booleans(), min_size=1, max_size=200))
def test_capital_is_the_product_of_the_bets_and_the_cusum_the_best_start(values: list[bool]) -> None:
    kappas = np.array(KAPPAS)
    bets = np.zeros((2, 1, len(kappas)))
    for value in values:
        bets = step(bets, np.array([float(value)]), 0.15, kappas)
    gains = np.log1p(kappas * (np.array(values, dtype=float)[:, None] - 0.15))
    np.testing.assert_allclose(bets[0, 0], gains.sum(axis=0), atol=1e-9)
    best = [max(gains[start:, k].sum() for start in range(len(values))) for k in range(len(kappas))]
    np.testing.assert_allclose(bets[1, 0], best, atol=1e-9)
    np.testing.assert_allclose(e_values(bets)[0, 0], np.exp(gains.sum(axis=0)).mean(), rtol=1e-9)


def test_a_fair_bet_wins_nothing_on_average() -> None:
    kappas = np.array(KAPPAS)
    start = np.zeros((2, 2, len(kappas)))
    won, lost = e_values(step(start, np.array([1.0, 0.0]), 0.15, kappas))[0]
    assert 0.15 * won + 0.85 * lost == pytest.approx(1)


def test_evidence_never_overflows() -> None:
    monitor = RateMonitor(0.15)
    for at in range(2000):
        monitor.update(True, 0.01, at)
    assert np.isfinite(e_values(monitor._bets)).all()


def test_bets_that_could_go_bankrupt_and_propensities_of_zero_are_refused() -> None:
    with pytest.raises(InsufficientDataError, match="kappas must lie between 0 and 5"):
        RateMonitor(0.2, kappas=(5.0,))
    with pytest.raises(InsufficientDataError) as refused:
        RateMonitor(0.15).update(True, 0.0, 0)
    assert refused.value.reason is Reason.BAD_PROPENSITY
