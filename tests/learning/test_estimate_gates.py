"""The simulations of bench/gates/estimates.py in a short form: those in which intervals missed the truth before."""

import pytest

from bench.gates.estimates import DESIGNS, Measured, Order, a_day, coverage, unanswered
from interlock.learning.estimates import Target

METHODS = ("Horvitz–Thompson", "Hájek", "AIPW")


def _holds(measured: Measured) -> None:
    for method in METHODS:
        assert measured[method] >= 0.93, method
        assert measured[f"{method} too low"] <= 0.04, method


@pytest.mark.parametrize(
    ("design", "target"),
    [
        ("1000 decisions, 40 % audited at 5 %", Target.PROCESS),
        ("200 decisions, 40 % audited at 5 %", Target.THESE),
        ("two audit rates: π .3 and .05", Target.THESE),
        ("a claim: 400 reviewed, 2,000 audited at 5 %", Target.PROCESS),
    ],
)
def test_intervals_hold_the_truth_where_few_audits_lie_beside_many_reviews(design: str, target: Target) -> None:
    _holds(coverage(120, DESIGNS[design], target))


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("answered", [0.9, 0.6])
def test_intervals_hold_the_truth_whatever_people_leave_unanswered(answered: float, order: Order) -> None:
    _holds(unanswered(50, answered, order))


def test_where_less_than_half_is_answered_nothing_is_said() -> None:
    assert unanswered(5, 0.3, Order.RANDOM)["nothing said"] == 1


def test_days_with_hardly_an_audit_hold_the_truth_of_what_they_speak_of() -> None:
    measured = a_day(600)
    assert measured["days with an audit"] >= 0.93
    assert measured["days without"] >= 0.93
