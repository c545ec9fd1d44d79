"""The simulations of bench/learning_gates.py in a short form; the seeds are fixed, so they pass always or never."""

import pytest

from bench.gates import calibration as gates
from interlock.learning.calibration import IDENTITY, LogOdds
from interlock.learning.estimates import Target
from tests.learning.monte_carlo import share_margin


@pytest.mark.parametrize("target", [Target.THESE, Target.PROCESS])
def test_intervals_hold_the_truth_as_often_as_they_say_and_the_naive_one_does_not(target: Target) -> None:
    coverages = gates.estimator_coverage(400, target=target)
    naive = coverages.pop("naive")
    assert naive.bias > 0.09
    assert naive.coverage == 0
    assert set(coverages) == {"Horvitz–Thompson", "Hájek", "AIPW"}
    for method, coverage in coverages.items():
        # three standard errors of the mean over runs
        assert abs(coverage.bias) < 3 * coverage.sd / 400**0.5, method
        # Exact intervals hold more often than they promise where audits find few overrides.
        assert 0.93 <= coverage.coverage <= 0.985, method
    assert coverages["AIPW"].sd < coverages["Horvitz–Thompson"].sd < coverages["Hájek"].sd


def test_of_decisions_drawn_anew_the_estimates_spread_as_published() -> None:
    runs = 1000
    coverages = gates.estimator_coverage(runs, target=Target.PROCESS)
    assert coverages["naive"].bias == pytest.approx(0.2782 - 0.1724, abs=0.014)
    for method, sd in (("Horvitz–Thompson", 0.0056), ("Hájek", 0.0065), ("AIPW", 0.0054)):
        assert abs(coverages[method].bias) <= 3e-4, method
        # Three standard errors of a standard deviation of a thousand runs, and as much for the published one.
        assert coverages[method].sd == pytest.approx(sd, rel=3 / 1000**0.5), method
        assert 0.93 <= coverages[method].coverage <= 0.985, method


@pytest.mark.parametrize("target", [Target.THESE, Target.PROCESS])
@pytest.mark.parametrize("rate", [0.001, 0.005, 0.05])
def test_intervals_hold_the_truth_where_audits_find_hardly_an_override(rate: float, target: Target) -> None:
    assert gates.rare_override_coverage(300, rate=rate, target=target).coverage >= 0.95


def test_looking_at_every_case_misleads_an_interval_for_one_look_but_not_an_anytime_one() -> None:
    runs = 600
    anytime, peeked = gates.ever_miscovered(runs)
    assert anytime <= 0.05
    for share, published in ((anytime, 0.026), (peeked, 0.425)):
        assert share == pytest.approx(published, abs=share_margin(share, runs, published, 1000))


def test_the_weighted_betting_interval_holds_the_rate_of_all_decisions_at_every_look() -> None:
    assert gates.betting_miscovered(150) <= 0.05


def test_retraining_is_not_asked_for_at_the_limit_however_often_one_looks_but_is_beyond_it() -> None:
    falsely, raw, _ = gates.retraining_requests(150, rate=0.15)
    assert falsely <= 0.05
    assert raw > 0.9
    assert gates.retraining_requests(100, rate=0.10)[0] <= 0.01
    share, _, after = gates.retraining_requests(100, rate=0.25)
    assert share > 0.98
    assert after is not None
    assert after < 500


def test_recalibration_from_200_labels_mends_overconfidence_best_where_it_is_shrunk_and_of_one_parameter() -> None:
    losses = gates.calibration_losses(30)
    published = {"none": 0.443, "fitted": 0.381, "platt": 0.383, "isotonic": 0.411, "venn-abers": 0.399}
    # Thirty runs know them to .0035, none to .005, isotonic to .006.
    assert losses == pytest.approx(published, abs=0.01)
    assert losses["fitted"] < losses["platt"] < losses["venn-abers"] < losses["isotonic"] < losses["none"]


@pytest.mark.parametrize(("labels", "runs"), [(100, 8), (400, 10)])
def test_a_calibrated_score_is_made_worse_by_every_method_from_few_labels(labels: int, runs: int) -> None:
    losses = gates.calibration_losses(runs, labels, sharpness=1.0)
    none = losses.pop("none")
    assert all(loss > none for loss in losses.values())


def test_the_gate_spares_a_calibrated_model_and_lets_a_needed_recalibration_through() -> None:
    deployed, none, always, gated = gates.identity_gate(40, 200, IDENTITY)
    assert deployed < 0.2
    assert none == 0
    assert gated < always
    deployed, none, always, gated = gates.identity_gate(12, 500, LogOdds(0.0, 0.5))
    assert deployed == 1
    assert gated == always < none / 10


def test_online_calibration_follows_a_drift_that_a_frozen_or_an_ever_growing_fit_does_not() -> None:
    losses = gates.drifted_stream(8)
    published = {"none": 0.662, "frozen": 0.631, "history": 0.506, "online": 0.448, "window": 0.454, "oracle": 0.435}
    assert losses == pytest.approx(published, abs=0.02)
    assert (
        losses["oracle"] < losses["online"] < losses["window"] < losses["history"] < losses["frozen"] < losses["none"]
    )
    assert losses["online"] < losses["oracle"] + 0.013


def test_what_was_only_reviewed_below_a_threshold_says_nothing_above_it() -> None:
    accuracy = gates.confident_accuracy(15)
    assert accuracy["reviewed only"] > accuracy["truth"] + 0.025
    assert accuracy["unweighted"] > accuracy["truth"] + 0.008
    assert accuracy["weighted"] == pytest.approx(accuracy["truth"], abs=0.005)
