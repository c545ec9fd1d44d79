"""What the router routes a person can open, decide and hand back, however odd its bytes are."""

import json
import time
from typing import Any

import pytest

from interlock.schemas import wire
from tests.interlock.review.review_world import decision, routed
from tests.interlock.review.test_review_commands import Terminal, ann, terminal

__all__ = ["ann", "terminal"]

_EARLIER = {"decision_id": "d-0", "outcome": "approve", "decided_at": 9_223_372_036_825_200_000}


@pytest.mark.parametrize(
    "odd",
    [
        {"created_at": time.time_ns()},
        {"created_at": -(2**63)},
        {"history": {"previous_decisions": [_EARLIER], "model_accuracy_on_similar": None}},
    ],
)
def test_a_case_with_a_time_outside_the_calendar_is_opened_and_given_back(ann: Terminal, odd: dict[str, Any]) -> None:
    ann.world.arrive(decision("d-1", **odd))
    assert "d-1" in ann.type("review", "next")
    assert ann.json("review", "show", "d-1")["damage"] == []
    assert ann.json("review", "release", "d-1", "-r", "other", "-m", "x")["accepted"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"arrears weigh most", b"arrears w\xefegen mst", "explanation.reasoning is not UTF-8"),
        (b"c-1\x0creject", b"c-1\x7freject", "explanation.similar_cases and what follows it cannot be read"),
        # What the desk itself reads, the options, stands here.
        (b'\x18{"term": 36}', b'\x7f{"term": 36}', "input and what follows it cannot be read"),
    ],
)
def test_a_damaged_case_is_shown_as_far_as_it_can_be_read_and_decided(
    ann: Terminal, before: bytes, after: bytes, said: str
) -> None:
    whole = wire.encode("RoutedDecision", routed(decision("d-1")))
    assert before in whole
    ann.world.arrive_bytes("d-1", whole.replace(before, after))
    screen = " ".join(ann.type("review", "next").replace("│", " ").split())
    assert "Careful: this record is damaged." in screen
    assert said in screen
    (damage,) = ann.json("review", "show", "d-1")["damage"]
    assert said in damage
    reply = ann.json("review", "reject", "d-1", "-r", "income", "-m", "as it stands", "--outcome", "approve")
    assert reply["code"] == "ok"


def test_a_producers_text_cannot_repaint_the_screen_or_turn_an_amount_around(ann: Terminal) -> None:
    evil = "ok\x1b[2J\x1b[1;1HAMOUNT 10 EUR\x1b[8m \u202e001"
    ann.world.arrive(
        decision(
            "d-1",
            impact=evil,
            subject_id=evil,
            attributes={"age": evil, evil: "x"},
            input=json.dumps({"note": evil, evil: {"deep": evil}}),
            alternatives=[{"option": evil, "confidence": 0.25, "pros": [evil], "cons": [evil]}],
        )
    )
    for shown in (ann.type("review", "next"), ann.type("review", "show", "d-1"), ann.type("review", "list")):
        assert not {"\x1b", "\u202e"} & set(shown)
    screen = "".join(ann.type("review", "show", "d-1").replace("│", "").split())
    assert screen.count("ok\\x1b[2J\\x1b[1;1HAMOUNT10EUR\\x1b[8m\\u202e001") >= 7
    assert "ok\\u001b[2J" in screen  # a value inside the input, as JSON
    assert ann.json("review", "show", "d-1")["impact"] == evil


@pytest.mark.parametrize(
    "odd",
    [
        '{"text": "so sad \\ud83d"}',
        '{"income": NaN}',
        '{"n": ' + "1" * 5_000 + "}",
        "[" * 3_000,
        '{"a":' * 3_000 + "1" + "}" * 3_000,
    ],
)
def test_input_that_is_no_json_for_every_reader_is_shown_as_its_text(ann: Terminal, odd: str) -> None:
    ann.world.arrive(decision("d-1", input=odd))
    assert odd[:5] in ann.type("review", "next")
    assert ann.json("review", "show", "d-1")["input"] == odd
    assert ann.json("review", "reject", "d-1", "-r", "income", "-m", "x", "--outcome", "approve")["code"] == "ok"


def test_changes_that_json_cannot_say_are_refused_before_they_are_sent(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.type("review", "next")
    for odd in ("amount=NaN", 'name="\\ud800"', "deep=" + "[" * 65 + "]" * 65):
        refused = ann.refused("review", "modify", "d-1", "--change", odd, "-r", "income", "-m", "x")
        assert "--change" in refused


def test_a_reviewers_own_words_that_are_not_unicode_are_refused_before_they_are_sent(ann: Terminal) -> None:
    ann.world.arrive(decision("d-1"))
    ann.type("review", "next")
    refused = ann.refused("review", "reject", "d-1", "-r", "income", "-m", "caf\udce9", "--outcome", "approve")
    assert "reason_text has half of a surrogate pair (U+DCE9) at character 4" in refused
