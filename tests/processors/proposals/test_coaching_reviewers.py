"""Who needs a word: on known items, and by hardly ever overriding."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from interlock.processors.events import Event
from interlock.processors.proposals.coaching import CoachingFold
from interlock.processors.proposals.proposal_table import ProposalTable
from interlock.schemas import wire
from tests.processors.calibration.reviewed_world import outcome
from tests.processors.proposals.proposal_world import proposals


def _taken(outcomes: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    fold = CoachingFold(ProposalTable())
    events: list[Event] = [event for outcome in outcomes for event in fold.process(outcome)]
    for event in events:
        wire.encode("Proposal", event.record or {})
    return proposals(events)


def _reviews(rates: dict[str, float], count: int, seed: int = 1, **fields: Any) -> Iterator[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    for number in range(count):
        who = str(rng.choice(sorted(rates)))
        overrides = rng.random() < rates[who]
        yield outcome(number, reviewer=who, confidence=0.8, outcome="reject" if overrides else "approve", **fields)


def test_whoever_nods_everything_through_is_named_and_nobody_else() -> None:
    coached = _taken(_reviews({"ana": 0.2, "ben": 0.01, "cem": 0.18}, 1_500))
    assert {json.loads(proposal["evidence"])["reviewer"] for proposal in coached} == {"ben"}
    assert coached[0]["kind"] == "coaching"
    assert "show some items blind" in coached[0]["claim"]


def test_reviewers_who_override_as_often_as_the_models_say_are_left_in_peace() -> None:
    for seed in range(5):
        assert not _taken(_reviews({"ana": 0.2, "ben": 0.2, "cem": 0.2}, 2_100, seed))


def test_blind_verdicts_say_nothing_about_nodding() -> None:
    assert not _taken(_reviews({"ana": 0.0}, 1_200, blind=True))


def test_whoever_misses_known_items_beyond_doubt_is_named_once() -> None:
    rng = np.random.default_rng(3)
    gold = [
        outcome(
            number,
            kind="gold",
            resolves=False,
            gold_outcome="approve",
            reviewer=who,
            outcome="approve" if rng.random() < right else "reject",
        )
        for number in range(300)
        for who, right in (("ana", 0.95), ("ben", 0.5))
    ]
    coached = _taken(gold)
    assert [json.loads(proposal["evidence"])["reviewer"] for proposal in coached] == ["ben"]
    evidence = json.loads(coached[0]["evidence"])
    assert evidence["lower"] <= evidence["accuracy"] <= evidence["upper"] < 0.8


def test_what_was_said_before_a_restart_is_not_said_again() -> None:
    outcomes = list(_reviews({"ana": 0.2, "ben": 0.0}, 700))
    book = ProposalTable()
    fold = CoachingFold(book)
    first = [event for outcome in outcomes for event in fold.process(outcome)]
    assert first
    again = CoachingFold(book)
    assert [event for outcome in outcomes for event in again.process(outcome)] == []
    assert [
        event for outcome in outcomes for event in CoachingFold(ProposalTable()).process(outcome, replayed=True)
    ] == []
