"""The examples: valid policies, valid and repeatable decisions, and the promises of their policies."""

import math
from collections import Counter
from types import ModuleType
from typing import Any

import pytest

from examples import content_moderation, loan_approval
from interlock.demo import survey
from interlock.policy.compiled import compile_policy
from interlock.policy.load import load
from interlock.policy.version import resolved
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import wire
from interlock.schemas.models import Decision
from tests.processors.router.messages import Sent

EXAMPLES = [survey, loan_approval, content_moderation]


def _route(example: ModuleType, decisions: list[Decision]) -> list[dict[str, Any]]:
    policy = compile_policy(load(example.POLICY))
    state = RouterState(policies={policy.name: policy})
    messages = [
        Sent(decision.decision_id.encode(), wire.encode("Decision", decision.to_record())) for decision in decisions
    ]
    now = max(int(decision.created_at.timestamp() * 1e6) for decision in decisions)
    outputs = Router(state, RouterSettings(bytes(16))).process(messages, now)
    return [wire.decode("RoutedDecision", value) for value in outputs.values]


@pytest.mark.parametrize("example", EXAMPLES)
def test_decisions_are_repeatable_except_for_their_time(example: ModuleType) -> None:
    def content(seed: int) -> list[dict[str, Any]]:
        return [decision.model_dump(exclude={"created_at"}) for decision in example.decisions(50, run="r", seed=seed)]

    assert content(3) == content(3)
    assert content(3) != content(4)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_route_but_dead_letters_is_taken_and_nothing_is_unknown(example: ModuleType) -> None:
    routed = _route(example, list(example.decisions(1500, run="r")))
    routes = Counter(record["route"] for record in routed)
    assert routes["auto"] > 100
    assert routes["async"] > 50
    assert not any(reason.startswith("unknown") for record in routed for reason in record["reasons"])


def test_ids_stay_unique_when_the_sample_is_used_over_again() -> None:
    ids = [decision.decision_id for decision in loan_approval.decisions(900, run="r")]
    assert len(set(ids)) == 900


def test_a_loan_is_decided_by_the_machine_only_when_repayment_is_likely_or_unlikely_enough() -> None:
    for record in _route(loan_approval, list(loan_approval.decisions(400, run="r"))):
        decision = record["decision"]
        approve = decision["prediction"] == "approve"
        repaid = decision["confidence"] if approve else 1 - decision["confidence"]
        decided = repaid >= 0.80 or repaid < 0.40
        small = decision["amount"] <= 10_000
        assert (record["route"] == "auto") is (decided and small)
        if not approve:
            assert record["notices"] == ["adverse_action"]


def test_a_loan_decision_carries_what_an_underwriter_needs() -> None:
    (decision,) = loan_approval.decisions(1, run="r")
    assert len(decision.explanation.top_features) == 3
    assert len(decision.explanation.similar_cases) == 3
    assert decision.alternatives[0].option != decision.prediction


def test_a_comment_is_removed_by_the_machine_only_above_ninety_nine_percent() -> None:
    for record in _route(content_moderation, list(content_moderation.decisions(1000, run="r"))):
        decision = record["decision"]
        threshold = 0.99 if decision["prediction"] == "remove" else 0.95
        assert (record["route"] == "auto") is (decision["confidence"] > threshold)


@pytest.mark.parametrize(
    ("example", "prediction", "bound"),
    [(loan_approval, "reject", 1 - 0.40), (content_moderation, "publish", 0.95), (content_moderation, "remove", 0.99)],
)
def test_at_the_bound_itself_a_person_decides(example: ModuleType, prediction: str, bound: float) -> None:
    (drawn,) = example.decisions(1, run="r")
    made = {"prediction": prediction, "amount": 100.0}
    levels = (math.nextafter(bound, 0), bound, math.nextafter(bound, 1))
    decisions = [drawn.model_copy(update=made | {"decision_id": f"d{level}", "confidence": level}) for level in levels]
    # By id: one that is audited is there twice.
    routes = {record["decision"]["decision_id"]: record["route"] for record in _route(example, decisions)}
    assert [routes[decision.decision_id] for decision in decisions] == ["async", "async", "auto"]


def test_the_true_label_of_the_survey_is_never_sent() -> None:
    (decision,) = survey.decisions(1, run="r")
    assert "employed" not in decision.input
    assert survey.truth(0, 0) in ("employed", "not_employed")


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_policies_are_valid_and_small_enough_for_a_message(example: ModuleType) -> None:
    assert len(resolved(load(example.POLICY))) < 20_000
