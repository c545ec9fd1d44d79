"""The ReviewContext: its names, and what it keeps back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.policy.load import parse
from interlock.processors.review.context import ReviewContext, review_context
from interlock.processors.review.payload import Payload
from interlock.processors.review.similar import SimilarCase, SimilarCases
from interlock.processors.review.view import build_view
from interlock.schemas.times import FIRST, LAST, moment
from tests.interlock.review.review_world import POLICY, decision, routed, task_record

LENDING = parse(POLICY, "lending")
CREATED = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)

NO_CASES = {"top_features": [], "reasoning": "", "similar_cases": []}
NO_HISTORY: dict[str, Any] = {"previous_decisions": [], "model_accuracy_on_similar": None}
FOUND = SimilarCases(
    cases=(SimilarCase("near-1", "m", "approve", "reject", 0.6, True, 0, 0.9),),
    method="vector",
    accuracy=0.4375,
    lower=0.2,
    upper=0.6,
    judged=20,
    count=300,
    note="The 20 nearest of 300",
)


def context(envelope: dict[str, Any], similar: SimilarCases | None = None, **task: Any) -> ReviewContext:
    record = task_record(envelope, **task)
    payload = Payload(envelope, verified=True)
    view = build_view(record, payload, 0, routed_by=LENDING, in_force=LENDING)
    return review_context(view, payload, similar)


def test_it_has_exactly_the_names_of_a_review_context() -> None:
    history = {
        "previous_decisions": [{"decision_id": "d-0", "outcome": "approve", "decided_at": CREATED}],
        "model_accuracy_on_similar": 0.8125,
    }
    envelope = routed(decision("d-1", created_at=CREATED, history=history), priority="high")
    assert context(envelope, deadline=datetime(2026, 1, 3, tzinfo=UTC)) == {
        "inputData": {"term": 36},
        "aiDecision": {
            "prediction": "reject",
            "confidence": 0.625,
            "alternativeOptions": [
                {"option": "approve", "confidence": 0.25, "pros": ["loyal"], "cons": ["late payments"]}
            ],
        },
        "explanation": {
            "topFeatures": [{"feature": "arrears", "value": "2", "importance": -0.7}],
            "reasoning": "arrears weigh most",
            "similarCases": [{"caseId": "c-1", "outcome": "reject"}],
        },
        "history": {
            "userPreviousDecisions": [
                {"decisionId": "d-0", "outcome": "approve", "decidedAt": "2026-01-02T03:04:05.000678Z"}
            ],
            "modelAccuracyOnSimilar": 0.8125,
        },
        "metadata": {
            "createdAt": "2026-01-02T03:04:05.000678Z",
            "priority": "high",
            "slaDeadline": "2026-01-03T00:00:00Z",
        },
    }


@pytest.mark.parametrize(
    ("route", "changes"), [("auto", {"audit": True, "propensity": 0.05}), ("manual", {})], ids=["blind", "manual"]
)
def test_a_hidden_answer_leaves_no_trace_and_the_history_of_the_subject_stays(
    route: str, changes: dict[str, Any]
) -> None:
    history = {
        "previous_decisions": [{"decision_id": "d-0", "outcome": "refer", "decided_at": CREATED}],
        "model_accuracy_on_similar": 0.8125,
    }
    hidden = context(routed(decision("d-1", history=history), route, **changes), FOUND)
    assert (hidden["aiDecision"], hidden["explanation"]) == (None, None)
    assert hidden["history"]["modelAccuracyOnSimilar"] is None
    assert [earlier["decisionId"] for earlier in hidden["history"]["userPreviousDecisions"]] == ["d-0"]
    text = json.dumps(hidden)
    for told in ("reject", "approve", "near-1", "c-1", "0.8125", "0.4375", "arrears", "0.625", "0.75"):
        assert told not in text


def test_similar_cases_that_were_found_stand_where_the_producer_sent_none() -> None:
    found = context(routed(decision("d-1", explanation=NO_CASES, history=NO_HISTORY)), FOUND)
    assert found["explanation"]
    assert found["explanation"]["similarCases"] == [{"caseId": "near-1", "outcome": "approve"}]
    assert found["history"]["modelAccuracyOnSimilar"] == 0.4375


def test_the_cases_of_the_producer_go_first_and_get_no_accuracy_of_others() -> None:
    found = context(routed(decision("d-1", history=NO_HISTORY)), FOUND)
    assert found["explanation"]
    assert [case["caseId"] for case in found["explanation"]["similarCases"]] == ["c-1"]
    assert found["history"]["modelAccuracyOnSimilar"] is None


def test_numbers_that_json_does_not_have_become_null() -> None:
    broken = decision(
        "d-1",
        alternatives=[{"option": "approve", "confidence": float("inf"), "pros": [], "cons": []}],
        explanation={
            "top_features": [{"feature": "f", "value": "v", "importance": float("nan")}],
            "reasoning": "",
            "similar_cases": [],
        },
        history={"previous_decisions": [], "model_accuracy_on_similar": float("nan")},
    )
    found = context(routed(broken, calibrated_confidence=float("nan")))
    assert "null" in json.dumps(found, allow_nan=False)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_that_a_producer_can_send_is_an_iso_time(micros: int) -> None:
    at = moment(micros)
    shown = context(routed(decision("d-1", created_at=at)))["metadata"]["createdAt"]
    assert shown.endswith("Z")
    assert FIRST <= datetime.fromisoformat(shown) == at <= LAST
