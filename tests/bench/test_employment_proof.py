"""On real survey data, through router, desk, people and learning: estimates, certificates and calibration hold."""

from typing import Any

import pytest

from bench.proofs import employment as employment_proof
from bench.proofs import plots as learning_plots
from bench.proofs.employment import ALPHA, Sizes, calibration, certificates, coverage, rates


@pytest.fixture(scope="module")
def estimated() -> dict[str, Any]:
    return rates(1, Sizes(2_000, 1_000), 500)


@pytest.fixture(scope="module")
def too_sure() -> dict[str, Any]:
    return calibration(1, Sizes(2_000, 1_000), overconfident=True)


def test_the_corrected_override_rate_covers_the_truth_and_the_naive_one_does_not(estimated: dict[str, Any]) -> None:
    whole = estimated["all"]
    assert whole["hajek"]["covers"]
    assert whole["aipw"]["covers"]
    assert whole["naive"]["low"] > whole["truth"] + 0.03
    assert whole["reviewed"] < estimated["decisions"]


def test_every_part_of_the_stream_says_the_same(estimated: dict[str, Any]) -> None:
    assert len(estimated["blocks"]) == 6
    for name in ("hajek", "aipw"):
        assert sum(block[name]["covers"] for block in estimated["blocks"]) >= 5
    assert sum(block["naive"]["covers"] for block in estimated["blocks"]) <= 1


def test_intervals_cover_as_often_as_they_say_whichever_decisions_the_coin_picks() -> None:
    covered = coverage(1, Sizes(10_000, 5_000), 100)
    assert covered["naive"] == 0
    for name in ("hajek", "aipw"):
        # Three standard errors of 95 % in a hundred.
        assert covered[name] >= 0.95 - 3 * (0.95 * 0.05 / 100) ** 0.5


def test_the_plot_of_estimates_shows_both_and_the_truth(estimated: dict[str, Any]) -> None:
    chart = learning_plots.estimates(estimated, 500)
    assert all(word in chart for word in ("truth", "naive", "Hájek", "<circle", "<rect"))


def test_a_certified_threshold_keeps_its_promise_in_the_year_that_was_held_back() -> None:
    certified = certificates(1, employment_proof.QUICK)
    assert certified["accepted"]
    assert not certified["revoked_after_signing"]
    for threshold in certified["accepted"]:
        assert threshold["cases"] > 100
        assert threshold["error"] <= ALPHA
    # Signing has moved the policy: before, nothing was automatic.
    assert certified["automatic_share"] > 0.1


def test_recalibration_lowers_the_loss_of_a_model_that_is_too_sure(too_sure: dict[str, Any]) -> None:
    assert too_sure["published_on_first_years"] >= 1
    assert too_sure["gain"] > 2 * too_sure["gain_error"] > 0
    assert too_sure["smooth_ece_used"] < 0.6 * too_sure["smooth_ece_raw"]


def test_a_calibrated_model_is_left_alone() -> None:
    figures = calibration(1, Sizes(2_000, 500), overconfident=False)
    assert figures["published"] == 0
    assert figures["log_loss_used"] == figures["log_loss_raw"]


def test_the_same_seed_gives_the_same_figures() -> None:
    sizes = Sizes(300, 100)
    figures = rates(1, sizes, 100)
    assert rates(1, sizes, 100) == figures
    assert rates(2, sizes, 100) != figures
