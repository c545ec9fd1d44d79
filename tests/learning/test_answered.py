"""What was answered of what was chosen, and what may be said of all then."""

import pytest

from interlock.learning.answered import MIN_ANSWERED, Answered, missing, most, read, said, span, widened


def test_the_share_of_a_span_is_what_was_judged_of_what_was_settled_in_it() -> None:
    assert (Answered(150, 120) - Answered(50, 40)).share == pytest.approx(0.8)
    assert (Answered(60, 60) + Answered(40, 10)).share == pytest.approx(0.7)


def test_where_nothing_is_settled_nothing_is_missing_and_late_verdicts_make_no_more_than_all() -> None:
    assert Answered(0, 0).share == 1
    assert Answered(10, 12).share == 1


def test_verdicts_in_any_order_tell_the_span_that_they_cover() -> None:
    told = [(70, 50), (10, 9), (110, 89), (None, None)]
    assert span(told) == Answered(100, 80)
    # The audit that expired before the first verdict is missing as well.
    assert span(told, from_start=True) == Answered(110, 89)


def test_verdicts_older_than_the_counts_tell_nothing() -> None:
    assert span([(None, None)]) is None
    assert span([]) is None


def test_what_is_missing_is_said_by_way_with_the_number_that_is_needed() -> None:
    ways = {"audit": Answered(100, 63), "async": Answered(35, 28), "sync": None, "manual": Answered(0, 0)}
    assert missing(ways) == ("63 of 100 audits answered, 80 needed",)
    assert missing({"async": Answered(35, 27)}) == ("27 of 35 async reviews answered, 28 needed",)


def test_shares_by_way_are_read_from_a_record_and_said_to_a_person() -> None:
    ways = read([{"way": "audit", "settled": 100, "judged": 92}, {"way": "async", "settled": 3500, "judged": 3400}])
    assert said(ways) == "3,400 of 3,500 async reviews, 92 of 100 audits"
    assert said({}) == ""


def test_a_promise_about_all_is_a_stricter_one_about_what_was_answered() -> None:
    assert most(1.0) == 1
    assert most(MIN_ANSWERED) == pytest.approx(1.2)


def test_what_was_not_answered_errs_between_never_and_twice_as_often() -> None:
    assert widened(0.04, 0.06, 1.0) == pytest.approx((0.04, 0.06))
    assert widened(0.04, 0.06, 0.9) == pytest.approx((0.036, 0.066))
    assert widened(0.5, 0.8, 0.9) == pytest.approx((0.45, 0.82))  # not more often than always
    assert widened(0.04, 0.06, 0.9, unanswered=0.1) == pytest.approx((0.036, 0.074))
