"""Published delays and false alarms of drift monitors in short simulations; the seeds are fixed. Long ones in bench."""

import numpy as np
import pytest
from mapie.exchangeability_testing import RiskMonitoring

from bench.gates import drift as gates
from tests.learning.monte_carlo import median_margin, share_margin

PUBLISHED_RUNS = 100


@pytest.fixture(scope="module")
def ours() -> dict[str, float]:
    return gates.drift(100)


@pytest.fixture(scope="module")
def rivals() -> dict[str, float]:
    return gates.rivals(60)


def test_at_the_limit_the_e_process_is_calm_however_often_one_looks(ours: dict[str, float]) -> None:
    share = ours["false alarms at the limit"]
    assert share == pytest.approx(0.035, abs=share_margin(share, 100, 0.035, PUBLISHED_RUNS))
    assert share <= 0.05


# Standard errors of medians of 100 runs, measured on 400.
@pytest.mark.parametrize(
    ("name", "published", "error"),
    [
        ("decisions at .20", 422, 40),
        ("e-CUSUM to 0.2 delay", 502, 55),
        ("e-CUSUM to 0.3 delay", 79, 8),
        ("ADWIN delay", 335, 20),
    ],
)
def test_our_monitors_are_as_quick_as_published(
    name: str, published: float, error: float, ours: dict[str, float]
) -> None:
    assert ours[name] == pytest.approx(published, abs=median_margin(error, 100))


@pytest.mark.parametrize(("name", "published"), [("e-CUSUM to 0.2", 0.0), ("ADWIN", 0.0)])
def test_our_monitors_hardly_ever_come_early(name: str, published: float, ours: dict[str, float]) -> None:
    share = ours[f"{name} early"]
    assert share == pytest.approx(published, abs=share_margin(share, 100, published, PUBLISHED_RUNS))


# Why not these: they are calm but slow, or know both rates in advance, or are not calm.
@pytest.mark.parametrize(
    ("name", "early"),
    [
        ("HDDM_A", 0.0),
        ("Page-Hinkley", 0.0),
        ("CUSUM", 0.04),
        ("DDM", 0.39),
        ("EDDM", 0.96),
        ("rolling 100", 0.65),
    ],
)
def test_others_come_early_as_often_as_published(name: str, early: float, rivals: dict[str, float]) -> None:
    share = rivals[f"{name} early"]
    assert share == pytest.approx(early, abs=share_margin(share, 60, early, PUBLISHED_RUNS))


@pytest.mark.parametrize(
    ("name", "published", "error"), [("HDDM_A", 425, 26), ("Page-Hinkley", 538, 18), ("CUSUM", 118, 10)]
)
def test_others_that_are_calm_are_as_quick_as_published(
    name: str, published: float, error: float, rivals: dict[str, float]
) -> None:
    assert rivals[f"{name} delay"] == pytest.approx(published, abs=median_margin(error, 60))


def test_kswin_is_blind_to_a_rate_that_doubles() -> None:
    assert gates.kswin(2)["detected"] <= 0.02 + share_margin(0.0, 2, 0.02, PUBLISHED_RUNS)


def test_betting_needs_a_third_of_the_decisions_that_the_risk_monitor_of_mapie_needs(ours: dict[str, float]) -> None:
    runs, decisions = 11, 2500
    overridden = np.random.default_rng(7).random((runs, decisions)) < 0.2
    first = []
    for row in overridden:
        monitor = RiskMonitoring(risk="accuracy", threshold=gates.LIMIT, warn=False)
        monitor.update(np.ones(decisions, dtype=int), (~row).astype(int))
        # The bound after each decision, of which MAPIE judges the last.
        proved = monitor.online_risk_lower_bound_sequence_history > gates.LIMIT
        first.append(proved.argmax() + 1 if proved.any() else np.inf)
    assert np.median(first) == pytest.approx(1156, abs=median_margin(80, runs))
    assert np.median(first) > 2 * ours["decisions at .20"]
