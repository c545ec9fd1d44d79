"""With people who miss errors and leave work open, what is estimated stays true, and nothing is halted for nothing."""

from typing import Any

import pytest

from bench.proofs import fallible


@pytest.fixture(scope="module")
def lived(campaign: bool) -> list[dict[str, Any]]:
    sizes, seeds = (fallible.FULL, 40) if campaign else (fallible.QUICK, 2)
    return fallible.lives(range(1, seeds + 1), sizes, processes=2 if campaign else 1)


def test_the_people_of_the_proof_err_and_leave_work_open(lived: list[dict[str, Any]]) -> None:
    for life in lived:
        rates = life["rates"]
        assert 0.85 <= rates["answered"] <= 0.95
        for way in ("async", "sync"):
            assert 0.75 <= rates["answered_as_told"][way] < 1
        assert 0.8 <= rates["truth_as_judged"] / rates["truth"] < 1
        assert "corrected_for_people" in fallible.in_one_line(life)


def test_corrected_intervals_hold_the_truth_at_their_level_and_the_naive_one_never(
    lived: list[dict[str, Any]], campaign: bool
) -> None:
    covered = fallible.summary(lived)["covered"]
    # Three standard errors of 95 % in 40 seeds.
    least = 0.95 - 3 * (0.95 * 0.05 / len(lived)) ** 0.5
    assert covered["as_people_judge"] >= least
    assert covered["corrected_for_people"] >= least
    if campaign:
        assert covered["naive"] == 0


def test_certified_thresholds_keep_their_promise_and_no_model_is_halted_for_nothing(
    lived: list[dict[str, Any]], campaign: bool
) -> None:
    figures = fallible.summary(lived)
    assert figures["false_halts"] == 0
    # A certificate may be false with a risk of a tenth.
    assert figures["seeds_with_a_broken_promise"] <= 0.1 * len(lived)
    if campaign:
        # 11 of 12 when this was written; without certificates nothing would be said about broken ones.
        assert figures["seeds_with_a_certificate"] >= 0.75 * len(lived)
