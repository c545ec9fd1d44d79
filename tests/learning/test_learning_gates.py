"""The simulations of bench/learning_gates.py in a short form; the seeds are fixed, so they pass always or never."""

import pytest

from bench import learning_gates as gates
from learning.calibration import IDENTITY, LogOdds
from learning.estimates import Target


@pytest.mark.parametrize("target", [Target.THESE, Target.PROCESS])
def test_intervals_hold_the_truth_as_often_as_they_say_and_the_naive_one_does_not(target: Target) -> None:
    found = gates.estimator_coverage(400, target=target)
    told = found.pop("naive")
    assert told.bias > 0.09
    assert told.coverage == 0
    assert set(found) == {"Horvitz–Thompson", "Hájek", "AIPW"}
    for method, one in found.items():
        # three standard errors of the mean over runs
        assert abs(one.bias) < 3 * one.sd / 400**0.5, method
        assert 0.93 <= one.coverage <= 0.97, method
    assert found["AIPW"].sd < found["Horvitz–Thompson"].sd < found["Hájek"].sd


@pytest.mark.parametrize("target", [Target.THESE, Target.PROCESS])
@pytest.mark.parametrize("rate", [0.001, 0.005, 0.05])
def test_intervals_hold_the_truth_where_audits_find_hardly_an_override(rate: float, target: Target) -> None:
    assert gates.rare_override_coverage(300, rate=rate, target=target).coverage >= 0.95


def test_looking_at_every_case_misleads_an_interval_for_one_look_but_not_an_anytime_one() -> None:
    anytime, peeked = gates.ever_miscovered(300)
    assert anytime <= 0.05
    assert peeked > 0.3


def test_the_weighted_betting_interval_holds_the_rate_of_all_decisions_at_every_look() -> None:
    assert gates.betting_miscovered(150) <= 0.05


def test_retraining_is_not_asked_for_at_the_limit_however_often_one_looks_but_is_beyond_it() -> None:
    falsely, raw, _ = gates.retraining_requests(150, rate=0.15)
    assert falsely <= 0.05
    assert raw > 0.9
    assert gates.retraining_requests(100, rate=0.10)[0] <= 0.01
    found, _, after = gates.retraining_requests(100, rate=0.25)
    assert found > 0.98
    assert after is not None
    assert after < 500


def test_recalibration_from_200_labels_mends_overconfidence_best_where_it_is_shrunk_and_of_one_parameter() -> None:
    found = gates.calibration_losses(15)
    # Reference values on another sample of the same survey; 15 runs of 1,000 decisions are known to about .008.
    assert found["none"] == pytest.approx(0.443, abs=0.02)
    assert found["fitted"] == pytest.approx(0.381, abs=0.02)
    assert found["venn-abers"] == pytest.approx(0.399, abs=0.02)
    assert found["fitted"] < found["venn-abers"] < found["isotonic"] < found["none"]


def test_the_gate_spares_a_calibrated_model_and_lets_a_needed_recalibration_through() -> None:
    deployed, none, always, gated = gates.identity_gate(40, 200, IDENTITY)
    assert deployed < 0.2
    assert none == 0
    assert gated < always
    deployed, none, always, gated = gates.identity_gate(12, 500, LogOdds(0.0, 0.5))
    assert deployed == 1
    assert gated == always < none / 10


def test_online_calibration_follows_a_drift_that_a_frozen_or_an_ever_growing_fit_does_not() -> None:
    found = gates.drifted_stream(2)
    assert found["oracle"] < found["online"] < found["history"] < found["frozen"]
    assert found["online"] < found["oracle"] + 0.02


def test_what_was_only_reviewed_below_a_threshold_says_nothing_above_it() -> None:
    found = gates.confident_accuracy(15)
    assert found["reviewed only"] > found["truth"] + 0.025
    assert found["unweighted"] > found["truth"] + 0.008
    assert found["weighted"] == pytest.approx(found["truth"], abs=0.005)
