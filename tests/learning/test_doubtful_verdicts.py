"""Verdicts that are most likely wrong, with errors planted among true labels."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from bench.gates.certification import population
from interlock.learning.arrays import Bools, Floats
from interlock.learning.doubtful_verdicts import doubt, record
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.reviewer_errors import GoldItems


def planted(seed: int, share: float | Floats) -> tuple[Floats, Bools, Bools]:
    """Confidence of 20,000 employment records, whether a person confirmed the model's answer, and was wrong."""
    confidence, correct, _ = population()
    wrong = np.random.default_rng(seed).random(len(correct)) < share
    return confidence, correct ^ wrong, wrong


def found_first(doubts: Floats, wrong: Bools) -> float:
    """The share of wrong verdicts that stands in the first tenth of the list."""
    first = np.argsort(-doubts, kind="stable")[: len(doubts) // 10]
    return float(wrong[first].sum() / wrong.sum())


def test_planted_errors_are_ranked_as_cleanlab_ranks_them() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cleanlab.rank import get_label_quality_scores
    confidence, confirmed, wrong = planted(1, 0.05)
    usual = np.full(len(wrong), 0.9)
    doubts = doubt(confirmed, confidence, usual, usual)
    mine = roc_auc_score(wrong, doubts)
    assert 0.6 < found_first(doubts, wrong) < 0.7
    scores = get_label_quality_scores(confirmed.astype(int), np.column_stack([1 - confidence, confidence]))
    assert mine >= 0.9
    assert mine == pytest.approx(roc_auc_score(wrong, -scores), abs=0.002)


def test_the_record_of_a_person_finds_more_than_confidence_alone() -> None:
    people = np.random.default_rng(2).integers(0, 5, 20_000)
    confidence, confirmed, wrong = planted(3, np.where(people == 0, 0.25, 0.01))
    careless, careful = record(GoldItems(100, 75, 100, 75)), record(GoldItems(100, 99, 100, 99))
    found, left = (np.where(people == 0, careless[kind], careful[kind]) for kind in (0, 1))
    usual = np.full(len(wrong), 0.9)
    by_record, by_confidence = doubt(confirmed, confidence, found, left), doubt(confirmed, confidence, usual, usual)
    assert roc_auc_score(wrong, by_record) > roc_auc_score(wrong, by_confidence) + 0.03
    assert found_first(by_record, wrong) > 0.8
    assert 0.6 < found_first(by_confidence, wrong) < 0.7


def test_what_people_overlook_is_found_among_confirmed_verdicts_or_by_their_records() -> None:
    """People agree with wrong answers and change no right one: then what they changed heads a list of everything."""
    confidence, correct, _ = population()
    rng = np.random.default_rng(4)
    people = rng.integers(0, 5, len(correct))
    wrong = ~correct & (rng.random(len(correct)) < np.where(people == 0, 0.6, 0.1))
    confirmed = correct | wrong
    usual = np.full(len(wrong), 0.9)
    by_confidence = doubt(confirmed, confidence, usual, usual)
    assert found_first(by_confidence, wrong) < 0.01
    assert found_first(by_confidence[confirmed], wrong[confirmed]) > 0.3
    overlooks, careful = record(GoldItems(100, 40, 100, 99)), record(GoldItems(100, 90, 100, 99))
    found, left = (np.where(people == 0, overlooks[kind], careful[kind]) for kind in (0, 1))
    assert found_first(doubt(confirmed, confidence, found, left), wrong) > 0.4


def test_little_is_concluded_from_few_gold_items() -> None:
    assert record(GoldItems()) == (0.9, 0.9)
    assert record(GoldItems(wrong=1, found=0))[0] == pytest.approx(9 / 11)


def test_a_confirmed_answer_of_an_unsure_model_is_more_doubtful_than_that_of_a_sure_one() -> None:
    usual = np.full(2, 0.9)
    unsure, sure = doubt(np.array([True, True]), np.array([0.55, 0.99]), usual, usual)
    assert unsure > sure
    changed_unsure, changed_sure = doubt(np.array([False, False]), np.array([0.55, 0.99]), usual, usual)
    assert changed_sure > changed_unsure


def test_numbers_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(InsufficientDataError):
        doubt(np.array([True]), np.array([1.2]), np.array([0.9]), np.array([0.9]))
