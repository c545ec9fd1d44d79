"""Rules are found on one half and believed only on the other."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from interlock.learning.certification import binomial_p
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.rules import Candidate, holm, mine, safe_rules, verify


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_holm_equals_statsmodels(count: int) -> None:
    p = np.random.default_rng(count).random(count) ** 4
    p[::5] = p[0]  # ties
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])


def _planted(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Errors .2 % where kind = a, 6 % elsewhere; four columns that say nothing."""
    rng = np.random.default_rng(seed)
    features = {f"noise{number}": rng.integers(0, 4, rows) for number in range(4)}
    features["kind"] = rng.choice(["a", "b", "c"], rows)
    return features, rng.random(rows) >= np.where(features["kind"] == "a", 0.002, 0.06)


def test_a_planted_rule_is_found_and_certified_with_the_evidence_of_the_second_half() -> None:
    features, correct = _planted(8000, 1)
    first = np.arange(8000) % 2 == 0
    (rule,) = safe_rules(features, correct, first, alpha=0.02, delta=0.05)
    second = ~first & (features["kind"] == "a")
    assert rule.mined.conditions == (("kind", "a"),)
    assert rule.certified
    assert (rule.cases, rule.errors) == (int(second.sum()), int((second & ~correct).sum()))
    assert rule.p == pytest.approx(float(binomial_p(rule.errors, rule.cases, 0.02)))
    assert rule.errors / rule.cases < rule.bound <= 0.02


def test_what_looked_safe_by_luck_is_not_certified() -> None:
    features, correct = _planted(4000, 2)
    lucky = Candidate((("noise0", "1"),), 900, 0)
    (rule,) = verify([lucky], features, correct, alpha=0.02, delta=0.05)
    assert not rule.certified
    assert rule.adjusted_p > 0.05


def test_a_rule_that_only_narrows_another_is_not_taken() -> None:
    features, correct = _planted(20_000, 3)
    candidates = mine(features, correct, alpha=0.02, delta=0.05, depth=3)
    assert [candidate.conditions for candidate in candidates] == [(("kind", "a"),)]


def test_a_rule_of_three_conditions_is_found_at_depth_three_only() -> None:
    rng = np.random.default_rng(4)
    features = {name: rng.integers(0, 2, 20_000) for name in "abcd"}
    inside = (features["a"] == 1) & (features["b"] == 1) & (features["c"] == 1)
    correct = rng.random(20_000) >= np.where(inside, 0.001, 0.08)
    assert mine(features, correct, alpha=0.02, delta=0.05, depth=2) == []
    assert mine(features, correct, alpha=0.02, delta=0.05, depth=3)[0].conditions == (
        ("a", "1"),
        ("b", "1"),
        ("c", "1"),
    )


def test_without_candidates_there_are_no_rules_and_no_evidence_is_invented() -> None:
    features, correct = _planted(300, 5)
    assert safe_rules(features, correct, np.arange(300) < 150, alpha=0.02, delta=0.05) == []
    never = Candidate((("kind", "z"),), 500, 0)
    (rule,) = verify([never], features, correct, alpha=0.02, delta=0.05)
    assert (rule.cases, rule.p, rule.bound, rule.certified) == (0, 1.0, 1.0, False)


def test_coins_for_other_rows_are_refused() -> None:
    features, correct = _planted(300, 6)
    with pytest.raises(InsufficientDataError, match="10 coins for 300 labels"):
        safe_rules(features, correct, np.zeros(10, dtype=np.bool_), alpha=0.02, delta=0.05)
