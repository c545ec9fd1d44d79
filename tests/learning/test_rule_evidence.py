"""Rules are found on earlier decisions and believed only for later ones, at any audit rate."""

import math

import numpy as np
import pytest

from bench.gates import safe_rules as gate
from interlock.learning.rule_evidence import BETS, Literal, add, find, intervals, no_evidence, proved


def test_the_pattern_that_promises_the_fastest_proof_comes_first() -> None:
    rng = np.random.default_rng(1)
    kind, noise = rng.choice(["a", "b", "c"], 4_000), rng.choice(["x", "y"], 4_000)
    correct = rng.random(4_000) >= np.where(kind == "a", 0.002, 0.12)
    literals = [Literal(("kind", value), kind == value) for value in "abc"]
    literals += [Literal(("noise", value), noise == value) for value in "xy"]
    everything = np.ones(4_000)
    found = find(literals, correct, everything, everything > 0, alpha=0.05)
    assert found[0].conditions == (("kind", "a"),)
    assert (found[0].cases, found[0].errors) == (int((kind == "a").sum()), int((~correct[kind == "a"]).sum()))
    assert all(("kind", "a") in each.conditions for each in found)


def test_what_nobody_waits_for_is_no_finding() -> None:
    rows = np.ones(500, dtype=np.bool_)
    assert find([Literal(("a", "1"), rows)], rows, np.ones(500), ~rows, alpha=0.05) == []
    assert find([], rows, np.ones(500), rows, alpha=0.05) == []


def test_decisions_that_were_certain_to_be_seen_count_by_their_weight_and_are_not_thinned() -> None:
    """At one π the evidence is that of counting; an example with twenty times the π moves it a twentieth as far."""
    inside, right = np.ones((1, 1), dtype=np.bool_), np.array([True])
    audit = add(no_evidence(1, 0.05), inside, right, np.array([0.05]), 0.05)
    certain = add(no_evidence(1, 0.05), inside, right, np.array([1.0]), 0.05)
    for number, (bet, _) in enumerate(BETS):
        stake = bet * 0.05 / 0.95
        assert audit.log_e[0, number] == pytest.approx(math.log1p(stake))
        assert certain.log_e[0, number] == pytest.approx(math.log1p(stake / 20))


def test_evidence_in_batches_is_that_of_one_by_one() -> None:
    rng = np.random.default_rng(2)
    inside, correct = rng.random((300, 2)) < 0.7, rng.random(300) < 0.98
    propensity = np.where(rng.random(300) < 0.5, 1.0, 0.1)
    whole = add(no_evidence(2, 0.05), inside, correct, propensity, 0.1)
    parts = no_evidence(2, 0.05)
    for row in range(300):
        parts = add(parts, inside[row : row + 1], correct[row : row + 1], propensity[row : row + 1], 0.1)
    np.testing.assert_allclose(parts.log_e, whole.log_e)
    np.testing.assert_allclose(parts.peak, whole.peak)
    assert (parts.cases.tolist(), parts.errors.tolist()) == (whole.cases.tolist(), whole.errors.tolist())


def test_the_risk_of_a_certified_rule_passes_to_the_next_and_that_of_others_does_not() -> None:
    def levels(*e_values: float) -> list[tuple[int, float]]:
        evidence = no_evidence(len(e_values), 0.05)
        evidence.peak[:] = np.log(e_values)
        return proved(evidence, 0.1)

    assert levels(19, 39) == []
    assert levels(20.1, 13.4) == [(0, 0.05), (1, pytest.approx(0.075))]
    assert levels(19, 40.1) == [(1, 0.025)]
    assert levels(1, 1, 1) == []


def test_intervals_are_cut_where_decisions_lie_not_where_reviews_do() -> None:
    values = np.array([*range(100), math.nan], dtype=np.float64)
    weight = np.where(values < 20, 20.0, 1.0)  # four fifths of all decisions, a fifth of the reviews
    found = {(low, high): rows.sum() for low, high, rows in intervals(values, weight, 4)}
    assert {high for low, high in found if low == -math.inf} == {5, 11, 17}
    assert found[-math.inf, 11] == 11
    assert (-math.inf, math.inf) not in found


def test_safe_rules_certify_in_the_example_at_an_audit_rate_of_five_percent() -> None:
    measured = gate.certified(2)
    assert (measured["certified"], measured["false"]) == (1, 0)
    assert measured["median decisions"] < 20_000


def test_where_errors_depend_on_nothing_no_rule_is_certified() -> None:
    assert gate.null(3)["false"] == 0
