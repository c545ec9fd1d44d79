"""What is promised holds in simulation: quick forms of the gates, with fixed seeds. The long forms are in bench."""

import math

import pytest

from bench.gates import certification as gates
from tests.learning.monte_carlo import share_margin

# Coverages were published of ten times as many decisions. Three standard deviations of the best possible coverage
# among samples of 20,000 like ours.
SAMPLED = 0.032


def test_certified_thresholds_violate_their_limit_no_more_often_than_promised_and_accept_more_than_sgr() -> None:
    measured = gates.thresholds(200)
    limit = gates.allowed(0.1, 200)
    assert measured["fixed violations"] <= limit
    assert measured["sgr violations"] <= limit
    assert measured["bonferroni violations"] <= limit
    assert measured["fixed coverage"] >= measured["sgr coverage"] >= measured["bonferroni coverage"]
    # The naive threshold is a coin toss, which shows that the gate can fail.
    assert measured["naive violations"] > 0.3


@pytest.mark.parametrize(
    ("labels", "published"),
    [
        (1000, {"naive": (0.450, 0.469), "bonferroni": (0.000, 0.277), "sgr": (0.005, 0.325), "fixed": (0.044, 0.385)}),
        (3000, {"sgr": (0.004, 0.397), "fixed": (0.062, 0.428)}),
    ],
)
def test_thresholds_from_few_labels_violate_and_cover_as_published(
    labels: int, published: dict[str, tuple[float, float]]
) -> None:
    runs = 200
    measured = gates.thresholds(runs, labels=labels, grid=gates.FINE)
    for name, (violations, coverage) in published.items():
        share = measured[f"{name} violations"]
        assert share == pytest.approx(violations, abs=share_margin(share, runs, violations, 1000)), name
        assert measured[f"{name} coverage"] == pytest.approx(coverage, abs=SAMPLED), name
    assert measured["fixed violations"] <= gates.allowed(0.1, runs)
    assert measured["fixed coverage"] >= measured["sgr coverage"]


def test_a_stream_certifies_more_and_more_as_published_and_seldom_ever_too_much() -> None:
    runs = 30
    measured = gates.streaming(runs)
    share = measured["violations"]
    assert share <= gates.allowed(0.1, runs)
    assert share == pytest.approx(0.03, abs=share_margin(share, runs, 0.03, 100))
    assert measured["coverage at 1000"] < measured["coverage at 5000"] < measured["coverage at 20000"] < 0.457
    # Standard deviations of a run, measured on a hundred.
    for at, published, sd in ((1000, 0.255, 0.09), (5000, 0.329, 0.08), (20_000, 0.399, 0.055)):
        chance = 3 * sd * math.sqrt(1 / runs + 1 / 100)
        assert measured[f"coverage at {at}"] == pytest.approx(published, abs=math.hypot(chance, SAMPLED)), at


def test_planted_slices_are_found_and_noise_and_routing_raise_few_alarms() -> None:
    measured = gates.slices(12)
    assert measured["found"] == measured["first"] == 1
    for name in ("unrelated by", "null bh", "null by", "routed"):
        assert measured[name] <= gates.allowed(0.05, 12), name
    # Found slices make room for false ones among them: BH promises a share of what is found, not of runs.
    assert measured["unrelated bh"] <= 0.3
    assert measured["routed unweighted"] > 0.9
