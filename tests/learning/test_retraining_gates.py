"""The simulations of bench/gates/retraining.py in a short form."""

from bench.gates import retraining as gates


def test_after_a_good_time_a_change_is_found_within_1500_outcomes_and_dated() -> None:
    measured = gates.after_a_change(2, good=5_000, bad=0.3)
    assert measured["of nine in ten"] <= 1_500
    assert measured["start missed by"] <= 100


def test_at_the_limit_nothing_is_requested_in_a_year() -> None:
    assert not any(gates.never_falsely(2).values())
