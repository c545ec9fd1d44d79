"""What the router routes a person can open, decide and hand back, however odd its bytes are."""

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
