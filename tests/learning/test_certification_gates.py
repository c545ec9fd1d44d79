"""What is promised holds in simulation: quick forms of the gates, with fixed seeds. The long forms are in bench."""

import math

from bench import certification_gates as gates


def test_certified_thresholds_violate_their_limit_no_more_often_than_promised_and_accept_more_than_sgr() -> None:
    measured = gates.thresholds(200)
    limit = gates.allowed(0.1, 200)
    assert measured["fixed violations"] <= limit
    assert measured["sgr violations"] <= limit
    assert measured["bonferroni violations"] <= limit
    assert measured["fixed coverage"] >= measured["sgr coverage"] >= measured["bonferroni coverage"]
    # The naive threshold is a coin toss, which shows that the gate can fail.
    assert measured["naive violations"] > 0.3


def test_a_stream_certifies_more_and_more_and_seldom_ever_too_much() -> None:
    measured = gates.streaming(20)
    assert measured["violations"] <= gates.allowed(0.1, 20)
    assert 0.15 < measured["coverage at 1000"] < measured["coverage at 5000"] < measured["coverage at 20000"] < 0.46


def test_certified_rules_keep_their_promise() -> None:
    measured = gates.rules(6)
    assert measured["certified"] >= 1
    assert measured["violations"] <= gates.allowed(0.05, 6)


def test_planted_slices_are_found_and_noise_and_routing_raise_few_alarms() -> None:
    measured = gates.slices(12)
    assert measured["found"] == measured["first"] == 1
    for name in ("unrelated by", "null bh", "null by", "routed"):
        assert measured[name] <= gates.allowed(0.05, 12), name
    # Found slices make room for false ones among them: BH promises a share of what is found, not of runs.
    assert measured["unrelated bh"] <= 0.3
    assert measured["routed unweighted"] > 0.9


def test_monitors_are_calm_at_the_limit_and_quick_above_it() -> None:
    measured = gates.drift(30)
    assert measured["false alarms at the limit"] <= gates.allowed(0.05, 30)
    assert measured["e-CUSUM early, to 0.2"] <= 0.1
    assert measured["ADWIN early"] == 0
    # References, medians of 100 runs: 422, 502, 79, 335. A median of 30 spreads by about a quarter.
    assert 250 < measured["decisions at .20"] < 600
    assert 300 < measured["e-CUSUM delay to 0.2"] < 800
    assert 50 < measured["e-CUSUM delay to 0.3"] < 125
    assert 240 < measured["ADWIN delay"] < 430
    assert all(math.isfinite(value) for value in measured.values())


def test_greedy_picks_teach_more_than_random_ones() -> None:
    measured = gates.active(2, last=200)
    assert measured["greedy"] > measured["random"] + 0.005
