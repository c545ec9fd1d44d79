"""Reviewer quality without known answers: the anaesthetists, and a truth that only the test knows."""

import numpy as np
import pytest

from interlock.learning.dawid_skene import Fit, fit, quality, too_few_overrides
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from tests.learning.anaesthetists import ratings


def test_the_anaesthetists_give_the_reference_prevalence_and_likelihood() -> None:
    fitted = fit(*ratings(patient_7=1), classes=4)
    assert fitted.converged
    np.testing.assert_allclose(fitted.prevalence, [0.4000, 0.4216, 0.1118, 0.0667], atol=5e-4)
    assert fitted.log_likelihood == pytest.approx(-190.731, abs=5e-4)


def _likelihood(fitted: Fit, items: np.ndarray, reviewers: np.ndarray, answers: np.ndarray) -> float:
    """By the definition, one patient after the other."""
    total = 0.0
    for item in np.unique(items):
        rows = items == item
        total += np.log((fitted.prevalence * fitted.confusion[reviewers[rows], :, answers[rows]].prod(axis=0)).sum())
    return float(total)


def test_the_likelihood_is_that_of_the_parameters_and_no_step_in_any_direction_improves_it() -> None:
    rows = ratings()
    fitted = fit(*rows, classes=4)
    assert fitted.log_likelihood == pytest.approx(_likelihood(fitted, *rows), abs=1e-6)
    rng = np.random.default_rng(1)
    for _ in range(50):
        other = Fit(
            prevalence=0.999 * fitted.prevalence + 0.001 * rng.dirichlet(np.ones(4)),
            confusion=0.999 * fitted.confusion + 0.001 * rng.dirichlet(np.ones(4), (5, 4)),
            posterior=fitted.posterior,
            log_likelihood=0.0,
            converged=True,
        )
        assert _likelihood(other, *rows) < fitted.log_likelihood


ACCURACY = np.array([0.95, 0.9, 0.85, 0.8, 0.7, 0.55])


def _reviews(seed: int, count: int = 3000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each item is seen by three of six reviewers; the truth is 1 in 30 %."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(count) < 0.3).astype(np.int64)
    reviewers = np.argsort(rng.random((count, 6)), axis=1)[:, :3].ravel()
    items = np.repeat(np.arange(count), 3)
    right = rng.random(3 * count) < ACCURACY[reviewers]
    return items, reviewers, np.where(right, truth[items], 1 - truth[items]), truth


def test_planted_accuracies_and_the_truth_are_recovered_better_than_by_majority() -> None:
    items, reviewers, answers, truth = _reviews(1)
    fitted = fit(items, reviewers, answers, classes=2)
    qualities = quality(fitted, items, reviewers, answers)
    np.testing.assert_allclose([reviewer.accuracy for reviewer in qualities], ACCURACY, atol=0.03)
    assert all(
        reviewer.low <= reviewer.accuracy <= reviewer.high
        and reviewer.answers == (reviewers == reviewer.reviewer).sum()
        for reviewer in qualities
    )
    majority = np.bincount(items, answers) > 1.5
    assert (fitted.posterior.argmax(axis=1) == truth).mean() > (majority == truth).mean() + 0.01
    assert fitted.prevalence[1] == pytest.approx(0.3, abs=0.03)


def test_repeated_and_missing_ratings_are_no_special_case() -> None:
    items, reviewers, answers, _ = _reviews(2, 400)
    twice = fit(np.tile(items, 2), np.tile(reviewers, 2), np.tile(answers, 2), classes=2)
    assert twice.converged
    assert np.isfinite(twice.posterior).all()
    np.testing.assert_allclose(twice.posterior.sum(axis=1), 1)
    np.testing.assert_allclose(twice.confusion.sum(axis=2), 1)


def test_a_class_that_nobody_names_is_impossible_and_leaves_no_gap_in_the_numbers() -> None:
    items, reviewers, answers, _ = _reviews(3, 200)
    fitted = fit(items, reviewers, answers, classes=3)
    assert fitted.prevalence[2] == pytest.approx(0, abs=1e-12)
    assert np.isfinite(fitted.confusion).all()
    assert np.isfinite(fitted.log_likelihood)


def test_smoothing_keeps_a_reviewer_with_one_answer_from_looking_perfect() -> None:
    items, reviewers, answers, _ = _reviews(4, 300)
    items, reviewers, answers = np.append(items, 0), np.append(reviewers, 6), np.append(answers, answers[0])
    plain = fit(items, reviewers, answers, classes=2).confusion[6].max()
    smooth = fit(items, reviewers, answers, classes=2, smoothing=1.0).confusion[6].max()
    assert plain == pytest.approx(1)
    assert smooth < 0.7
    few = quality(fit(items, reviewers, answers, classes=2), items, reviewers, answers)[6]
    assert few.answers == 1
    assert few.high - few.low > 0.9


def test_two_reviewers_do_not_tell_who_errs() -> None:
    items = np.repeat(np.arange(10), 2)
    reviewers = np.tile([0, 1], 10)
    with pytest.raises(InsufficientDataError, match="2 reviewers share items with others, three are needed") as refused:
        fit(items, reviewers, np.zeros(20, dtype=np.int64), classes=2)
    assert refused.value.reason is Reason.TOO_FEW_LABELS


def test_numbers_out_of_range_or_with_gaps_are_refused() -> None:
    items, reviewers, answers, _ = _reviews(5, 10)
    with pytest.raises(InsufficientDataError, match="answers end at 0"):
        fit(items, reviewers, answers, classes=1)
    with pytest.raises(InsufficientDataError, match="item 4 has no rating"):
        fit(np.where(items == 4, 3, items), reviewers, answers, classes=2)
    with pytest.raises(InsufficientDataError) as refused:
        fit(*[np.empty(0, dtype=np.int64)] * 3, classes=2)
    assert refused.value.reason is Reason.NO_DATA


def test_a_reviewer_who_never_overrides_is_named_and_a_careful_one_is_not() -> None:
    overrides, answers = np.array([0, 30, 4, 0]), np.array([400, 400, 80, 10])
    expected = np.array([32.0, 32.0, 6.4, 0.8])
    (suspect,) = too_few_overrides(overrides, answers, expected)
    assert (suspect.reviewer, suspect.answers, suspect.overrides, suspect.expected) == (0, 400, 0, 32)
    # Nothing in 400 at half of 8 %, one of four hypotheses.
    assert suspect.adjusted_p == pytest.approx(4 * 0.96**400, rel=1e-6)


def test_reviewers_who_override_at_the_share_allowed_are_seldom_named() -> None:
    rng = np.random.default_rng(6)
    named = 0
    for _ in range(500):
        rates = rng.beta(2, 18, (8, 200))  # expected overrides differ from item to item
        overrides = (rng.random((8, 200)) < 0.5 * rates).sum(axis=1)
        named += bool(too_few_overrides(overrides, np.full(8, 200), rates.sum(axis=1)))
    assert named / 500 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 500)


def test_reviewers_without_answers_are_not_named_and_impossible_counts_are_refused() -> None:
    assert too_few_overrides(np.array([0]), np.array([0]), np.array([0.0])) == []
    with pytest.raises(InsufficientDataError, match="between 0 and the answers"):
        too_few_overrides(np.array([5]), np.array([4]), np.array([1.0]))


# Two answers to each item, as four eyes give


def _pairs(accuracy: np.ndarray, count: int, seed: int, prevalence: float = 0.05) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    truth = (rng.random(count) < prevalence).astype(np.int64)
    reviewers = np.argsort(rng.random((count, len(accuracy))), axis=1)[:, :2].ravel()
    items = np.repeat(np.arange(count), 2)
    right = rng.random(2 * count) < accuracy[reviewers]
    return items, reviewers, np.where(right, truth[items], 1 - truth[items])


def _pair_shares(prevalence: float, sensitivity: np.ndarray, specificity: np.ndarray) -> np.ndarray:
    """P(one says 1 and the other says 1), for every two of them; and how often each says 1."""
    both = prevalence * np.outer(sensitivity, sensitivity)
    both += (1 - prevalence) * np.outer(1 - specificity, 1 - specificity)
    named = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    return np.append(both[np.triu_indices(len(sensitivity), 1)], named)


def test_pairs_do_not_tell_sensitivity_and_specificity_from_prevalence() -> None:
    sensitivity, specificity = np.array([0.9, 0.8, 0.85, 0.7]), np.array([0.8, 0.9, 0.7, 0.85])
    p, other = 0.4, 0.5
    better = sensitivity + specificity - 1
    named = p * sensitivity + (1 - p) * (1 - specificity)
    stretched = better * (p * (1 - p) / (other * (1 - other))) ** 0.5
    elsewhere = named + (1 - other) * stretched, 1 - named + other * stretched
    np.testing.assert_allclose(_pair_shares(other, *elsewhere), _pair_shares(p, sensitivity, specificity))
    assert np.abs(elsewhere[0] - sensitivity).max() > 0.04
    assert all(((rates > 0) & (rates < 1)).all() for rates in elsewhere)


def test_one_accuracy_each_is_told_from_pairs_and_so_is_the_prevalence() -> None:
    accuracy = np.array([0.95, 0.9, 0.95, 0.95, 0.7])
    rows = _pairs(accuracy, 4000, 1)
    fitted = fit(*rows, classes=2, one_accuracy=True)
    assert fitted.converged
    np.testing.assert_allclose([reviewer.accuracy for reviewer in quality(fitted, *rows)], accuracy, atol=0.025)
    assert fitted.prevalence[1] == pytest.approx(0.05, abs=0.01)
    # As far off as pairs allow.
    assert fit(*rows, classes=2).prevalence[1] > 0.1
    np.testing.assert_allclose(fitted.confusion[:, 0, 0], fitted.confusion[:, 1, 1])


def test_one_accuracy_over_three_classes_spreads_errors_evenly() -> None:
    items, reviewers, answers, _ = _reviews(5, 600)
    three = np.where((items % 2 == 0) & (answers == 1), 2, answers)
    fitted = fit(items, reviewers, three, classes=3, one_accuracy=True, smoothing=0.5)
    np.testing.assert_allclose(fitted.confusion.sum(axis=2), 1)
    for matrix in fitted.confusion:
        assert len(np.unique(matrix.round(12))) == 2


def test_the_interval_of_the_worst_of_a_team_holds_its_accuracy_as_often_as_it_says() -> None:
    accuracy = np.array([0.95, 0.95, 0.95, 0.95, 0.7])
    held = 0
    for seed in range(100):
        rows = _pairs(accuracy, 250, seed, prevalence=0.3)
        worst = quality(fit(*rows, classes=2, one_accuracy=True), *rows)[4]
        held += worst.low <= 0.7 <= worst.high
    assert held / 100 >= 0.9


def _who(*pairs: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ten items for each pair; every third time they differ."""
    everybody = np.repeat(np.array(pairs), 10, axis=0)
    items = np.arange(len(everybody))
    answers = np.stack([items % 2, (items + (items % 3 == 0)) % 2], axis=1)
    return np.repeat(items, 2), everybody.ravel(), answers.ravel()


def test_the_pairing_of_reviewers_must_show_who_errs() -> None:
    for tied in (((0, 1), (1, 2), (0, 2)), ((0, 1), (1, 2), (0, 2), (2, 3))):
        assert fit(*_who(*tied), classes=2, one_accuracy=True).converged
    # A chain, two shifts that only check each other, three and two who never meet.
    for loose in (((0, 1), (1, 2)), ((0, 2), (0, 3), (1, 2), (1, 3)), ((0, 1), (1, 2), (0, 2), (3, 4))):
        with pytest.raises(InsufficientDataError, match="does not show who errs") as refused:
            fit(*_who(*loose), classes=2, one_accuracy=True)
        assert refused.value.reason is Reason.TOO_FEW_LABELS
    items, reviewers, answers = _who((0, 1), (1, 2), (0, 2))
    with pytest.raises(InsufficientDataError, match="every answer is the same"):
        fit(items, reviewers, answers * 0, classes=1, one_accuracy=True)
