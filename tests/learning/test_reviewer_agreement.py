"""Agreement: textbook values and statsmodels as oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats import inter_rater
from statsmodels.stats.tests.test_inter_rater import diagnoses

from interlock.learning.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha, percent_agreement
from interlock.learning.insufficient_data import InsufficientDataError, Reason

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
EXAMPLE = (
    np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
            [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
        ]
    ).T
    - 1
)


def test_fleiss_kappa_of_the_psychiatrists_equals_the_reference() -> None:
    counts, _ = inter_rater.aggregate_raters(diagnoses)
    agreement = fleiss_kappa(counts.astype(np.int64))
    assert agreement.value == pytest.approx(0.430245, abs=1e-6)
    assert agreement.value == pytest.approx(inter_rater.fleiss_kappa(counts), rel=1e-12)
    assert agreement.items == 30
    assert agreement.low < agreement.value < agreement.high


def test_krippendorff_alpha_equals_the_published_example() -> None:
    assert krippendorff_alpha(EXAMPLE).value == pytest.approx(0.743, abs=5e-4)


def test_cohen_kappa_equals_the_textbook() -> None:
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed .7, by chance .5.
    ratings = np.repeat([[0, 0], [0, 1], [1, 0], [1, 1]], [20, 5, 10, 15], axis=0)
    assert cohen_kappa(ratings).value == pytest.approx(0.4)
    assert percent_agreement(ratings).value == pytest.approx(0.7)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=80))
def test_cohen_kappa_equals_statsmodels(pairs: list[tuple[int, int]]) -> None:
    ratings = np.array(pairs)
    table = np.zeros((3, 3))
    np.add.at(table, (ratings[:, 0], ratings[:, 1]), 1)
    chance = float(table.sum(axis=1) @ table.sum(axis=0)) / len(pairs) ** 2
    if chance == 1:
        with pytest.raises(InsufficientDataError):
            cohen_kappa(ratings)
    else:
        agreement = cohen_kappa(ratings)
        assert agreement.value == pytest.approx(inter_rater.cohens_kappa(table, return_results=False), abs=1e-12)
        assert agreement.low <= agreement.value <= agreement.high


def test_the_interval_of_cohen_kappa_is_close_to_that_of_statsmodels_and_covers() -> None:
    table = np.array([[60, 10, 5], [8, 70, 7], [4, 6, 50]])
    ratings = np.repeat([[a, b] for a in range(3) for b in range(3)], table.ravel(), axis=0)
    agreement, oracle = cohen_kappa(ratings), inter_rater.cohens_kappa(table)
    assert agreement.low == pytest.approx(oracle.kappa_low, abs=0.02)
    assert agreement.high == pytest.approx(oracle.kappa_upp, abs=0.02)
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        truth = rng.integers(0, 2, 120)
        both = np.where(rng.random((120, 2)) < 0.85, truth[:, None], 1 - truth[:, None])
        agreement = cohen_kappa(both)
        covered += agreement.low <= (0.85**2 + 0.15**2 - 0.5) / 0.5 <= agreement.high
    assert 0.92 <= covered / 300 <= 0.985


def test_raters_who_guess_agree_no_more_than_chance() -> None:
    ratings = np.random.default_rng(2).choice(3, (5000, 2), p=[0.8, 0.1, 0.1])
    assert percent_agreement(ratings).value > 0.6
    assert cohen_kappa(ratings).value == pytest.approx(0, abs=0.04)
    assert krippendorff_alpha(ratings).value == pytest.approx(0, abs=0.04)


def test_full_agreement_on_three_items_proves_little() -> None:
    agreement = krippendorff_alpha(np.array([[0, 0], [1, 1], [0, 0]]))
    assert agreement.value == agreement.high == 1
    assert agreement.low < 0.2


def test_items_that_only_one_person_saw_do_not_count() -> None:
    ratings = np.array([[0, 0, -1], [1, -1, -1], [-1, 1, 0], [-1, -1, -1]])
    assert percent_agreement(ratings).items == 2
    assert cohen_kappa(np.array([[0, 0], [1, -1], [1, 1]])).items == 2


def test_what_cannot_be_told_is_refused_by_name() -> None:
    with pytest.raises(InsufficientDataError) as refused:
        krippendorff_alpha(np.array([[0, -1], [-1, 1]]))
    assert refused.value.reason is Reason.NO_DATA
    for measure in (cohen_kappa, krippendorff_alpha):
        with pytest.raises(InsufficientDataError) as refused:
            measure(np.zeros((5, 2), dtype=np.int64))
        assert refused.value.reason is Reason.SINGLE_CLASS
    with pytest.raises(InsufficientDataError, match="use krippendorff_alpha"):
        fleiss_kappa(np.array([[2, 0], [2, 1]]))
    with pytest.raises(InsufficientDataError, match="two columns"):
        cohen_kappa(np.zeros((5, 3), dtype=np.int64))
