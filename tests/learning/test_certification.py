"""Certified thresholds: reference values of the literature, MAPIE as oracle, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapie.risk_control import BinaryClassificationController

from bench.gates.certification import population
from interlock.learning.bounds import anytime
from interlock.learning.certification import (
    add,
    audits_to_go,
    binomial_p,
    certify,
    error_bound,
    errors_allowed,
    first_thresholds,
    hoeffding_bentkus_p,
    joint_threshold,
    no_evidence,
    sample_size,
    selective_guarantee,
)
from interlock.learning.insufficient_data import InsufficientDataError, Reason


@pytest.mark.parametrize(
    ("errors", "cases", "alpha", "weak", "exact"),
    [(1, 100, 0.05, 0.084280, 0.037081), (10, 1000, 0.02, 0.027826, 0.010237)],
)
def test_p_values_equal_the_reference_and_the_exact_one_is_smaller(
    errors: int, cases: int, alpha: float, weak: float, exact: float
) -> None:
    assert hoeffding_bentkus_p(errors / cases, cases, alpha) == pytest.approx(weak, abs=1e-6)
    assert float(binomial_p(errors, cases, alpha)) == pytest.approx(exact, abs=1e-6)


def test_no_cases_prove_nothing() -> None:
    assert float(binomial_p(0, 0, 0.05)) == 1
    assert hoeffding_bentkus_p(0, 0, 0.05) == 1
    assert error_bound(0, 0, 0.05) == 1


@given(st.integers(0, 400), st.integers(1, 400), st.sampled_from([0.01, 0.05, 0.2]))
def test_a_p_value_is_at_most_delta_exactly_where_the_error_bound_is_at_most_alpha(
    errors: int, cases: int, alpha: float
) -> None:
    errors = min(errors, cases)
    bound = error_bound(errors, cases, 0.1)
    if abs(bound - alpha) > 1e-9:
        assert (float(binomial_p(errors, cases, alpha)) <= 0.1) == (bound <= alpha)


@pytest.mark.parametrize(
    ("hypotheses", "sizes"), [(1, (59, 149, 299)), (20, (117, 297, 597)), (4243, (222, 562, 1130))]
)
def test_sizes_without_an_error_equal_the_reference(hypotheses: int, sizes: tuple[int, int, int]) -> None:
    for alpha, size in zip((0.05, 0.02, 0.01), sizes, strict=True):
        assert sample_size(alpha, 0.05, hypotheses=hypotheses) == size
        assert size == math.ceil(math.log(0.05 / hypotheses) / math.log(1 - alpha))


def test_each_error_allowed_costs_labels() -> None:
    assert [sample_size(0.05, 0.05, errors=errors) for errors in (1, 2, 3)] == [93, 124, 153]


def test_fifty_one_clean_cases_still_allow_an_error_of_more_than_five_percent() -> None:
    assert error_bound(0, 51, 0.05) == pytest.approx(0.0570, abs=5e-5)


@pytest.mark.parametrize(("cases", "least"), [(100, 22), (200, 39), (500, 89), (1000, 170)])
def test_one_look_at_a_rate_proves_more_than_fifteen_percent_from_the_reference_counts_on(
    cases: int, least: int
) -> None:
    # Overrides at a rate ≤ .15 are agreements at a rate ≥ .85.
    assert float(binomial_p(cases - least, cases, 0.85)) <= 0.05 < float(binomial_p(cases - least + 1, cases, 0.85))


@pytest.mark.parametrize(
    ("labels", "alpha", "errors"), [(100, 0.05, 4), (200, 0.05, 9), (500, 0.05, 24), (99, 0.01, 0), (98, 0.01, -1)]
)
def test_conformal_risk_control_allows_the_reference_number_of_errors(labels: int, alpha: float, errors: int) -> None:
    assert errors_allowed(labels, alpha) == errors


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=120))
def test_the_joint_threshold_is_the_laxest_with_at_most_the_allowed_errors(rows: list[tuple[int, bool]]) -> None:
    confidence = np.array([c / 20 for c, _ in rows])
    correct = np.array([y for _, y in rows], dtype=np.bool_)
    threshold = joint_threshold(confidence, correct, 0.05)
    allowed = errors_allowed(len(rows), 0.05)
    if threshold is None:
        assert allowed < 0
        return
    assert (~correct[confidence >= threshold]).sum() <= allowed
    laxer = confidence >= np.nextafter(threshold, -1)
    assert threshold == 0 or (~correct[laxer]).sum() > allowed


def _labels(seed: int, count: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct, _ = population()
    rows = np.random.default_rng(seed).integers(0, len(correct), count)
    return confidence[rows], correct[rows]


def _mapie(grid: np.ndarray, method: str) -> BinaryClassificationController:
    return BinaryClassificationController(
        predict_function=lambda c: np.column_stack([1 - c[:, 0], c[:, 0]]),
        risk="precision",
        target_level=0.95,
        confidence_level=0.9,
        list_predict_params=grid,
        fwer_method=method,
    )


# MAPIE orders by a monotonic risk and warns of noise in it; our order is fixed and needs none.
@pytest.mark.filterwarnings("ignore:Fixed sequence testing requires a monotonic risk")
@pytest.mark.parametrize("seed", range(6))
def test_mapie_certifies_the_same_threshold(seed: int) -> None:
    confidence, correct = _labels(seed)
    grid = np.round(np.arange(0.95, 0.5, -0.01), 2)
    ours = certify(confidence, correct, grid, alpha=0.05, delta=0.1)
    oracle = _mapie(grid, "fixed_sequence")
    oracle.calibrate(confidence[:, None], correct.astype(int))
    assert ours.threshold is not None
    assert ours.threshold == pytest.approx(min(oracle.valid_predict_params))
    for step, p in zip(ours.tested, oracle.p_values[:, 0], strict=False):
        # MAPIE counts errors as ⌈n · rate⌉, which floating point sometimes makes one too many.
        exact, one_more = (float(binomial_p(step.errors + more, step.accepted, 0.05)) for more in (0, 1))
        assert step.p == exact
        assert exact * (1 - 1e-6) <= p <= one_more * (1 + 1e-6)


def test_mapie_certifies_less_by_corrections_that_know_no_order() -> None:
    grid = np.round(np.arange(0.95, 0.5, -0.01), 2)
    thresholds: dict[str, list[float]] = {}
    for seed in range(6):
        confidence, correct = _labels(seed, 3000)
        thresholds.setdefault("fixed", []).append(
            certify(confidence, correct, grid, alpha=0.05, delta=0.1).threshold or 1
        )
        for method in ("bonferroni_holm", "bonferroni"):
            oracle = _mapie(grid, method)
            oracle.calibrate(confidence[:, None], correct.astype(int))
            thresholds.setdefault(method, []).append(min(oracle.valid_predict_params))
    for method in ("bonferroni_holm", "bonferroni"):
        assert all(ours <= other for ours, other in zip(thresholds["fixed"], thresholds[method], strict=True))
        # Published of one sample: .86 and .90. Three standard deviations of a sample, which are .02 and .016.
        assert np.mean(thresholds[method]) == pytest.approx(0.90, abs=0.048)
    assert np.mean(thresholds["fixed"]) == pytest.approx(0.86, abs=0.06)
    assert np.mean(thresholds["fixed"]) < np.mean(thresholds["bonferroni_holm"]) - 0.01


def test_certification_ends_at_the_first_failure_and_shows_every_step() -> None:
    confidence = np.repeat([0.95, 0.85, 0.75], 100)
    correct = np.ones(300, dtype=np.bool_)
    correct[100:150] = False  # between .8 and .9 every second answer is wrong
    certification = certify(confidence, correct, np.array([0.7, 0.8, 0.9]), alpha=0.05, delta=0.1)
    assert certification.threshold == 0.9
    assert [(step.threshold, step.accepted, step.errors) for step in certification.tested] == [
        (0.9, 100, 0),
        (0.8, 200, 50),
    ]


def test_without_labels_or_thresholds_nothing_is_certified() -> None:
    none, yes = np.empty(0), np.empty(0, dtype=np.bool_)
    assert certify(none, yes, np.array([0.9]), alpha=0.05, delta=0.1).threshold is None
    assert certify(*_labels(0), none, alpha=0.05, delta=0.1).threshold is None
    assert selective_guarantee(none, yes, alpha=0.05, delta=0.1) is None
    assert joint_threshold(none, yes, 0.05) is None


def test_first_thresholds_begin_where_a_certificate_is_within_reach_and_go_down() -> None:
    confidence, _, _ = population()
    grid = first_thresholds(confidence, 1000, 0.05, 0.1)
    assert (np.diff(grid) < 0).all()
    assert (confidence >= grid[0]).mean() * 1000 >= 2 * sample_size(0.05, 0.1)
    assert not len(first_thresholds(confidence, 80, 0.05, 0.1))


@pytest.mark.parametrize("wrong", [math.nan, 1.1, -0.1])
def test_a_confidence_that_is_no_probability_is_refused_by_name(wrong: float) -> None:
    with pytest.raises(InsufficientDataError) as refused:
        certify(np.array([wrong]), np.array([True]), np.array([0.9]), alpha=0.05, delta=0.1)
    assert refused.value.reason is Reason.NOT_A_PROBABILITY


def _stream(correct: list[bool], share: float = 0.95) -> float:
    """Wealth after answers above the only threshold, all reviewed; share .95 of the highest bet at .05 is κ = 1."""
    y = np.array(correct)
    n = len(y)
    evidence = no_evidence(np.array([0.8]), alpha=0.05, delta=0.1, shares=(share,))
    evidence = add(evidence, np.full(n, 0.9), y, np.ones(n, dtype=np.bool_), np.ones(n), 1.0)
    return math.exp(evidence.log_e[0, 0])


def test_capital_after_ten_right_answers_and_one_wrong_equals_the_reference() -> None:
    assert _stream([True] * 10) == pytest.approx(1.628895, abs=1e-6)
    assert _stream([True] * 10 + [False]) == pytest.approx(0.0814447, abs=1e-7)


@pytest.mark.parametrize(("delta", "items"), [(0.1, 48), (0.05, 62)])
def test_a_stream_without_errors_certifies_after_the_reference_number_of_items(delta: float, items: int) -> None:
    for count, certified in ((items - 1, None), (items, 0.8)):
        evidence = no_evidence(np.array([0.8]), alpha=0.05, delta=delta, shares=(0.95,))
        yes = np.ones(count, dtype=np.bool_)
        evidence = add(evidence, np.full(count, 0.9), yes, yes, np.ones(count), 1.0)
        assert evidence.certified == certified


def test_the_anytime_interval_for_any_rate_needs_more_than_twice_as_many_items() -> None:
    clean = np.arange(1, 200)
    highest = np.array([anytime(0, count, 0.05)[1] for count in clean.tolist()])
    assert clean[highest < 0.05][0] == 158


@given(st.integers(0, 1000), st.lists(st.integers(0, 300), max_size=4))
def test_evidence_does_not_depend_on_how_the_stream_is_cut(seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    confidence, correct, propensity = rng.random(300), rng.random(300) < 0.97, rng.choice([0.2, 1.0], 300)
    reviewed = rng.random(300) < propensity
    whole = parts = no_evidence(np.array([0.9, 0.5, 0.1]), alpha=0.05, delta=0.1)
    whole = add(whole, confidence, correct, reviewed, propensity, 0.2)
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), 300], strict=True):
        if start < end:
            part = slice(start, end)
            parts = add(parts, confidence[part], correct[part], reviewed[part], propensity[part], 0.2)
    assert parts.decisions == whole.decisions == 300
    np.testing.assert_allclose(parts.log_e, whole.log_e, atol=1e-9)
    np.testing.assert_allclose(parts.peak, whole.peak, atol=1e-9)


def test_labels_of_decisions_that_nobody_reviewed_count_for_nothing() -> None:
    start = no_evidence(np.array([0.5]), alpha=0.05, delta=0.1)
    no = np.zeros(50, dtype=np.bool_)
    after = add(start, np.full(50, 0.9), ~no, no, np.full(50, 0.1), 0.1)
    assert (after.log_e == 0).all()
    assert after.decisions == 50


def test_a_laxer_threshold_is_not_certified_before_a_stricter_one() -> None:
    start = no_evidence(np.array([0.9, 0.5]), alpha=0.05, delta=0.1)
    yes = np.ones(200, dtype=np.bool_)
    between = add(start, np.full(200, 0.7), yes, yes, np.ones(200), 1.0)
    assert between.peak[1] > -math.log(0.1)
    assert between.certified is None
    assert add(between, np.full(200, 0.95), yes, yes, np.ones(200), 1.0).certified == 0.5


def test_an_error_after_the_certificate_does_not_take_it_back_but_drift_does() -> None:
    start = no_evidence(np.array([0.8]), alpha=0.05, delta=0.1)
    n = 300
    correct = np.arange(n) < 200
    after = add(start, np.full(n, 0.9), correct, np.ones(n, dtype=np.bool_), np.ones(n), 1.0)
    assert after.log_e.max() < 0
    assert after.certified == 0.8
    assert no_evidence(after.thresholds, alpha=after.alpha, delta=after.delta).certified is None


def test_a_propensity_below_the_promised_one_is_refused_because_capital_could_turn_negative() -> None:
    start = no_evidence(np.array([0.8]), alpha=0.05, delta=0.1)
    yes = np.array([True])
    with pytest.raises(InsufficientDataError) as refused:
        add(start, np.array([0.9]), yes, yes, np.array([0.05]), 0.1)
    assert refused.value.reason is Reason.BAD_PROPENSITY


def test_the_audits_that_are_missing_end_where_the_evidence_certifies() -> None:
    evidence = no_evidence(np.array([0.9]), alpha=0.05, delta=0.1)
    needed = audits_to_go(evidence, 0, 0.0)
    assert needed is not None
    assert needed == pytest.approx(74.5, abs=0.1)
    right = np.ones(75, dtype=np.bool_)
    audited = np.full(75, 0.05)
    at_74, at_75 = (add(evidence, np.ones(n), right[:n], right[:n], audited[:n], 0.05) for n in (74, 75))
    assert (at_74.certified, at_75.certified) == (None, 0.9)
    assert audits_to_go(at_74, 0, 0.0) == pytest.approx(needed - 74, abs=0.01)
    assert audits_to_go(at_75, 0, 0.0) == 0


@pytest.mark.parametrize("error", [0.049, 0.0499, 0.02, 0.0])
@pytest.mark.parametrize("lost", [0.0, 40.0, 800.0])
def test_missing_audits_are_told_whatever_has_been_lost_before(error: float, lost: float) -> None:
    evidence = no_evidence(np.array([0.9]), alpha=0.05, delta=0.1)
    evidence.log_e[0] -= lost * np.array(evidence.shares)
    needed = audits_to_go(evidence, 0, error)
    assert needed is None or 0 < needed < np.inf
    assert audits_to_go(evidence, 0, 0.06) is None
