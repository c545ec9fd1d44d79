"""What is compared of a decision, and what is said of the cases that were found."""

from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

from interlock.policy.vocabulary import ColumnType
from interlock.processors.review.payload import Payload
from interlock.processors.review.similar import (
    SimilarCase,
    Subject,
    methods_for,
    none_found,
    subject_of,
    summarise,
    wanted,
)
from interlock.processors.review.view import build_view
from tests.interlock.review.review_world import decision, routed, task_record

KINDS = {
    "age": ColumnType.INT,
    "income": ColumnType.FLOAT,
    "purpose": ColumnType.STRING,
    "owner": ColumnType.BOOL,
    "more": ColumnType.INT,
}
NO_CASES = {"top_features": [], "reasoning": "", "similar_cases": []}


def subject(**changes: Any) -> Subject:
    return subject_of(routed(decision("d-1", **changes)), KINDS)


def case(overridden: bool = False, model: str = "m") -> SimilarCase:
    final = "approve" if overridden else "reject"
    return SimilarCase("c", model, final, "reject", 0.7, overridden, 0, 0.9)


def test_declared_attributes_are_compared_as_words_or_numbers() -> None:
    found = subject(attributes={"age": "40", "income": "plenty", "purpose": "car", "owner": "true", "secret": "x"})
    assert found.words == {"owner": "true", "purpose": "car"}
    assert found.numbers == {"age": 40.0}  # no case can be near to a number that is none


@pytest.mark.parametrize("odd", ["nan", "inf", "1e999", ""])
def test_a_number_that_is_not_finite_is_not_compared(odd: str) -> None:
    assert subject(attributes={"income": odd}).numbers == {}


@pytest.mark.parametrize(
    ("changes", "methods"),
    [
        ({"vector": [0.5, 1.0], "attributes": {"age": "4"}}, ("vector", "attributes", "confidence")),
        ({"vector": [0.0, 0.0], "attributes": {"age": "4"}}, ("attributes", "confidence")),
        ({"vector": [float("nan")], "attributes": {"secret": "x"}}, ("confidence",)),
    ],
)
def test_the_best_method_that_the_decision_allows_is_tried_first(
    changes: dict[str, Any], methods: tuple[str, ...]
) -> None:
    assert methods_for(subject(**changes)) == methods


def test_without_a_confidence_there_is_nothing_left_to_compare() -> None:
    broken = routed(decision("d-1", vector=[], attributes={}), calibrated_confidence=float("nan"))
    assert methods_for(subject_of(broken, {})) == ()


def test_accuracy_is_the_share_that_people_confirmed_with_its_interval() -> None:
    found = summarise(subject(), "vector", [case()] * 15 + [case(overridden=True)] * 5, 4812)
    assert (found.accuracy, found.judged, found.count) == (0.75, 20, 4812)
    assert (found.lower, found.upper) == pytest.approx(proportion_confint(15, 20, method="wilson"))


def test_accuracy_speaks_of_the_cases_that_the_same_model_decided() -> None:
    found = summarise(subject(), "attributes", [case(), case(True), case(True, "other")], 3)
    assert (found.accuracy, found.judged) == (0.5, 2)
    assert "People confirmed 50% of the 2 of them that m decided" in found.note
    others = summarise(subject(), "attributes", [case(True, "other")], 1)
    assert (others.accuracy, others.lower, others.upper, others.judged) == (None, None, None, 0)


def test_the_note_names_method_population_and_how_many_were_compared() -> None:
    compared = subject(attributes={"age": "4", "purpose": "car"})
    note = summarise(compared, "attributes", [case()], 4812).note
    assert note == (
        "The nearest one of the latest 4,812 reviewed decisions of loans, compared by declared attributes "
        "(age, purpose), numbers by their distance. People confirmed 100% of them (95 % interval 21% to 100%). "
        "Reviewed decisions only: those that nobody reviewed may be different."
    )
    assert "vectors" in summarise(compared, "vector", [case()] * 2, 2).note
    assert "confidence alone" in summarise(compared, "confidence", [case()] * 2, 2).note
    assert "people have judged no decision of loans" in none_found(compared).note


@pytest.mark.parametrize(
    ("route", "changes", "explanation", "asked"),
    [
        ("async", {}, NO_CASES, True),
        ("async", {}, {**NO_CASES, "similar_cases": [{"case_id": "c", "outcome": "reject"}]}, False),
        ("manual", {}, NO_CASES, False),
        ("auto", {"audit": True, "propensity": 0.05}, NO_CASES, False),
    ],
    ids=["shown", "sent by the producer", "manual", "blind"],
)
def test_cases_are_looked_for_where_the_answer_is_shown_and_the_producer_sent_none(
    route: str, changes: dict[str, Any], explanation: dict[str, Any], asked: bool
) -> None:
    envelope = routed(decision("d-1", explanation=explanation), route, **changes)
    assert wanted(build_view(task_record(envelope), Payload(envelope, verified=True), 0)) is asked
