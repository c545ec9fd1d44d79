"""Certificates where people miss errors, as far as their answers to gold items tell."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bench.gates.reviewers import DELTA, People, certificates
from interlock.learning.double_reviews import PairCounts
from interlock.learning.reviewer_errors import GoldItems, visible
from interlock.processors.proposals.people import hindrance
from interlock.schemas import catalogue
from tests.processors.calibration.reviewed_world import World
from tests.processors.proposals.proposal_world import new_fold, of, proposals, taken


def _examples(
    count: int, items: GoldItems | None, since: int = 0, pairs: PairCounts | None = None
) -> Iterator[dict[str, Any]]:
    """Of a good model; the record of people is told from example `since` on."""
    for number, example in enumerate(World(intercept=1.6, seed=3).examples(count)):
        if items is not None and number >= since:
            example |= {
                "gold_wrong": items.wrong,
                "gold_found": items.found,
                "gold_right": items.right,
                "gold_left": items.left,
            }
        if pairs is not None and number >= since:
            example |= {
                "errors_found_by_both": pairs.both,
                "errors_found_by_one": pairs.one,
                "changed_by_mistake": pairs.alarms,
                "left_by_both": pairs.neither,
            }
        yield example


def _open(count: int, items: GoldItems | None, since: int = 0, pairs: PairCounts | None = None) -> dict[str, Any]:
    events = taken(new_fold(), _examples(count, items, since, pairs))
    (proposal,) = [one for one in proposals(events) if one["state"] == "open" and one["kind"] == "threshold"]
    return proposal


def test_where_little_is_known_a_claim_says_as_people_judge_it_and_what_follows_if_they_miss_a_fifth() -> None:
    proposal = _open(4_000, None)
    assert "at most 10% is wrong as people judge it" in proposal["claim"]
    assert "if people miss 20% of errors, this is 12.5% in truth: 0 gold items" in proposal["claim"]
    assert "or 30 errors found by one of two who judged independently, so far 0)" in proposal["claim"]
    known = json.loads(proposal["evidence"])["people"]
    assert known["tested_limit"] == 0.1
    assert known["sensitivity_at_least"] is None


def test_with_gold_items_a_claim_is_about_the_truth_and_tested_against_what_people_can_see() -> None:
    proposal = _open(6_000, GoldItems(wrong=200, found=190, right=300, left=299))
    assert "is wrong in truth, given that people find at least 8" in proposal["claim"]
    assert "(190 of 200 found)" in proposal["claim"]
    known = json.loads(proposal["evidence"])["people"]
    assert known["tested_limit"] == pytest.approx(0.085)
    assert 0.085 <= 0.1 * known["sensitivity_at_least"] < 0.09
    assert known["error_in_truth_lower"] <= known["error_in_truth"] <= known["error_in_truth_upper"]
    # The promise about the truth asks for more: a stricter threshold than the same reviews taken at their word.
    plain = _open(6_000, None)
    assert json.loads(proposal["evidence"])["threshold"] >= json.loads(plain["evidence"])["threshold"]


def test_evidence_from_before_the_gold_items_counts_when_they_become_known() -> None:
    proposal = _open(6_000, GoldItems(wrong=200, found=190, right=300, left=299), since=3_000)
    # At the first look after it, from all labels but those that chose the thresholds.
    assert json.loads(proposal["evidence"])["labels"] == 3_100 - 200


def test_a_claim_says_that_it_rests_on_double_reviews_and_what_these_cannot_show() -> None:
    proposal = _open(6_000, None, pairs=PairCounts(both=1_100, one=110, alarms=20, neither=4_000))
    assert "given that people find at least 9" in proposal["claim"]
    assert "of 1,210 errors that one of two found both found 1,100: one finds 95%, between 9" in proposal["claim"]
    assert "Errors that everybody misses are in no double review: plant gold items" in proposal["claim"]
    assert "gold items (" not in proposal["claim"]
    known = json.loads(proposal["evidence"])["people"]
    assert known["tested_limit"] == pytest.approx(0.09)
    assert known["by_gold_items"] is None
    assert known["by_double_reviews"] == known["sensitivity_at_least"]
    assert (known["errors_found_by_both"], known["errors_found_by_one"]) == (1_100, 110)
    assert known["error_in_truth_lower"] <= known["error_in_truth"] <= known["error_in_truth_upper"]


def test_a_claim_names_both_sources_where_both_tell() -> None:
    items, pairs = GoldItems(wrong=200, found=190, right=300, left=299), PairCounts(both=400, one=110, neither=4_000)
    proposal = _open(6_000, items, pairs=pairs)
    assert "among gold items (190 of 200 found) and where two judge independently (of 510 errors" in proposal["claim"]
    assert "plant gold items" not in proposal["claim"]
    known = json.loads(proposal["evidence"])["people"]
    assert known["sensitivity_at_least"] == known["by_double_reviews"] < known["by_gold_items"]


def test_people_who_find_little_where_two_judge_certify_nothing_and_it_is_said_why() -> None:
    pairs = PairCounts(both=10, one=60, neither=1_000)
    events = taken(new_fold(), _examples(4_000, None, pairs=pairs))
    assert not [one for one in proposals(events) if one["state"] == "open"]
    told = hindrance(0.1, visible(0.1, GoldItems(), 0.02, pairs=pairs), GoldItems(), pairs)
    assert told.startswith("Where two judged independently, of 70 errors that one of two found both found 10")
    assert told.endswith("Coach first, then have more judged by two")


def test_people_who_find_too_little_certify_nothing_and_it_is_said_why() -> None:
    items = GoldItems(wrong=60, found=12, right=300, left=300)
    events = taken(new_fold(), _examples(4_000, items))
    assert not [one for one in proposals(events) if one["state"] == "open"]
    seen = visible(0.1, items, 0.02)
    assert "People found 12 of 60 wrong answers" in hindrance(0.1, seen, items, PairCounts())
    assert hindrance(0.1, None, GoldItems(), PairCounts()) == ""


def test_people_who_change_right_answers_are_named_as_what_hinders_with_the_number() -> None:
    items = GoldItems(wrong=200, found=190, right=200, left=190)
    said = hindrance(0.05, visible(0.05, items, 0.02), items, PairCounts())
    assert said.startswith("People changed 10 of 200 right answers among gold items (5.0%), which counts as errors")
    assert "they may find 4.3% at most" in said
    # Also where too few wrong items are known to tell what they miss.
    assert "People changed 10 of 200" in hindrance(0.05, None, replace(items, wrong=0, found=0), PairCounts())
    # One in two hundred is no hindrance, nor is it where the limit counts on what is changed.
    assert hindrance(0.05, visible(0.05, items, 0.02), replace(items, left=199), PairCounts()) == ""
    assert hindrance(0.05, visible(0.05, items, 0.02, typical=True), items, PairCounts()) == ""


def test_progress_tells_that_changed_right_answers_hinder() -> None:
    events = taken(new_fold(), _examples(600, GoldItems(wrong=200, found=190, right=200, left=180)))
    (said,) = of(events, catalogue.LANE_PROGRESS)[-1]["missing"]
    assert said.startswith("People changed 20 of 200 right answers")


def test_certificates_are_honoured_by_people_who_miss_half_and_broken_where_that_is_not_known() -> None:
    known = certificates(2, People(0.5), decisions=20_000)
    taken_as_truth = certificates(2, People(0.5), decisions=20_000, corrected=False)
    assert known.violated == 0
    assert known.worst < 0.05
    assert taken_as_truth.violated > DELTA


def test_where_right_answers_are_changed_a_certificate_comes_with_typical_gold_items() -> None:
    people = People(0.95, changed=0.05, gold_right=2_000)
    assert certificates(1, people, decisions=15_000).certified == 0
    typical = certificates(1, people, decisions=15_000, typical=True, rate=1.0)
    assert typical.certified == 1
    assert typical.worst < 0.05


def test_double_reviews_hold_what_easy_gold_items_would_let_through() -> None:
    easy = People(0.5, gold_found=0.95)
    alone = certificates(1, easy, decisions=12_000)
    both = certificates(1, replace(easy, doubles=1_000), decisions=12_000)
    assert alone.violated == 1
    assert both.violated == 0
