"""The simulations of bench/gates/retraining.py in a short form."""

from bench.gates import retraining as gates


def test_after_a_good_time_a_change_is_found_within_1500_outcomes_and_dated() -> None:
    measured = gates.after_a_change(2, good=5_000, bad=0.3)
    assert measured["of nine in ten"] <= 1_500
    assert measured["start missed by"] <= 100


def test_at_the_limit_nothing_is_requested_in_a_year() -> None:
    assert not any(gates.never_falsely(2).values())


def test_where_audits_are_judged_last_a_change_is_told_of_before_they_are() -> None:
    days = gates.days_to_a_request(1, good=3, bad=0.3, audited=0.08)
    assert days["open counts as right"] <= 2 < days["settled order"]


def test_a_watermark_for_each_way_would_tell_of_changes_that_there_are_not() -> None:
    falsely = gates.falsely_by_order(4, days=6, rate=gates.LIMIT)
    assert falsely["open counts as right"] == 0
    assert falsely["own watermarks"] >= 0.5
