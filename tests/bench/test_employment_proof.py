"""On real survey data, through router, desk, people and learning: estimates, certificates and calibration hold."""

import pytest

from bench.proofs import employment as employment_proof
from bench.proofs import plots as learning_plots
from bench.proofs.employment import ALPHA, Sizes, calibration, certificates, coverage, rates


@pytest.fixture(scope="module")
def told() -> dict:  # type: ignore[type-arg]
    return rates(1, Sizes(2_000, 1_000), 500)


@pytest.fixture(scope="module")
def too_sure() -> dict:  # type: ignore[type-arg]
    return calibration(1, Sizes(2_000, 1_000), loud=True)


def test_the_corrected_override_rate_covers_the_truth_and_the_naive_one_does_not(told: dict) -> None:  # type: ignore[type-arg]
    whole = told["all"]
    assert whole["hajek"]["covers"]
    assert whole["aipw"]["covers"]
    assert whole["naive"]["low"] > whole["truth"] + 0.03
    assert whole["reviewed"] < told["decisions"]


def test_every_part_of_the_stream_says_the_same(told: dict) -> None:  # type: ignore[type-arg]
    assert len(told["blocks"]) == 6
    for name in ("hajek", "aipw"):
        assert sum(one[name]["covers"] for one in told["blocks"]) >= 5
    assert sum(one["naive"]["covers"] for one in told["blocks"]) <= 1


def test_intervals_cover_as_often_as_they_say_whichever_decisions_the_coin_picks() -> None:
    found = coverage(1, Sizes(10_000, 5_000), 100)
    assert found["naive"] == 0
    for name in ("hajek", "aipw"):
        # Three standard errors of 95 % in a hundred.
        assert found[name] >= 0.95 - 3 * (0.95 * 0.05 / 100) ** 0.5


def test_the_plot_of_estimates_shows_both_and_the_truth(told: dict) -> None:  # type: ignore[type-arg]
    drawn = learning_plots.estimates(told, 500)
    assert all(word in drawn for word in ("truth", "naive", "Hájek", "<circle", "<rect"))


def test_a_certified_threshold_keeps_its_promise_in_the_year_that_was_held_back() -> None:
    found = certificates(1, employment_proof.QUICK)
    assert found["accepted"]
    assert not found["revoked_after_signing"]
    for one in found["accepted"]:
        assert one["cases"] > 100
        assert one["error"] <= ALPHA
    # Signing has moved the policy: before, nothing was automatic.
    assert found["automatic_share"] > 0.1


def test_recalibration_lowers_the_loss_of_a_model_that_is_too_sure(too_sure: dict) -> None:  # type: ignore[type-arg]
    assert too_sure["published_on_first_years"] >= 1
    assert too_sure["gain"] > 2 * too_sure["gain_error"] > 0
    assert too_sure["smooth_ece_used"] < 0.6 * too_sure["smooth_ece_raw"]


def test_a_calibrated_model_is_left_alone() -> None:
    found = calibration(1, Sizes(2_000, 500), loud=False)
    assert found["published"] == 0
    assert found["log_loss_used"] == found["log_loss_raw"]


def test_the_same_seed_gives_the_same_figures() -> None:
    sizes = Sizes(300, 100)
    assert rates(3, sizes, 100) == rates(3, sizes, 100)
    assert rates(3, sizes, 100) != rates(4, sizes, 100)
