"""Every reason of a route as a sentence, and which of the sentences give the AI's answer away."""

from typing import Any

import pytest

from interlock.policy.load import parse
from interlock.policy.model import Policy, Rule
from interlock.processors.review.reasons import RouteReason, explain_reasons
from interlock.schemas.reasons import PIPELINE_REASONS

LENDING = parse(
    """
name: lending
domains:
  loans: {models: ['*'], outcomes: [approve, reject], lanes: {approve: {}}}
rules:
  - {id: large, when: amount > 1000, route: async, because: Large loans are signed by a person}
  - {id: doubtful, when: confidence < 0.9, route: async}
""",
    "lending",
)


def _routed(*reasons: str, prediction: str = "approve", confidence: float = 0.5) -> dict[str, Any]:
    decision = {
        "domain": "loans",
        "prediction": prediction,
        "confidence": confidence,
        "amount": 12_000.0,
        "attributes": {},
    }
    return {"reasons": list(reasons), "calibrated_confidence": confidence, "decision": decision}


def _explained(reason: str, policy: Policy | None = LENDING, **fields: Any) -> RouteReason:
    (explained,) = explain_reasons(_routed(reason, **fields), policy)
    return explained


# The sentence of every reason that the pipeline gives, and whether it reveals the prediction.
SENTENCES = {
    "lane:loans/approve:manual": (
        "confidence 0.50 in approve is below 0.95, what it takes to act without a person",
        True,
    ),
    "safe:in-germany": ("safe rule in-germany lets it take effect whatever the confidence", True),
    "workflow:hybrid": ("every decision of this kind waits for a person before it takes effect", False),
    "unknown-domain": ("no policy is in force for this kind of decision", False),
    "ambiguous-domain": ("more than one policy claims this kind of decision, so none of them decides it", False),
    "unknown-prediction": ("the policy does not know what the model proposed", True),
    "unknown-model": ("the policy does not know this model", False),
    "implausible-confidence": ("the model's confidence is not a probability", True),
    "implausible-timestamp": ("the time at which the model decided cannot be right", False),
    "implausible-amount": ("the amount is not a number", False),
    "halted:model:m@1": ("the kill switch was on for model:m@1", False),
    "shadow": ("a challenger decided this: it has no effect", False),
    "active-pool": ("it took effect without a person, and active learning could pick it", True),
    "picked:audit": ("it took effect without a person and was drawn for an audit", True),
    "picked:greedy": ("it took effect without a person, and a verdict on it should teach the model the most", True),
    "picked:chance": ("it took effect without a person, and active learning drew it by chance", True),
    "picked:later": ("it took effect without a person, and active learning picked it (later)", True),
}


def test_the_sentences_below_are_those_of_the_whole_table() -> None:
    assert all(any(entry.matches(reason) for reason in SENTENCES) for entry in PIPELINE_REASONS)


@pytest.mark.parametrize("reason", SENTENCES)
def test_every_reason_of_the_pipeline_is_explained_by_what_it_means(reason: str) -> None:
    assert _explained(reason) == RouteReason(reason, *SENTENCES[reason])


@pytest.mark.parametrize("reason", SENTENCES)
def test_a_reason_of_the_pipeline_is_explained_without_the_policy_too(reason: str) -> None:
    explained = _explained(reason, policy=None)
    assert "no longer in force" not in explained.text
    assert explained.reveals_prediction is SENTENCES[reason][1]


@pytest.mark.parametrize("reason", SENTENCES)
def test_a_rule_that_took_the_name_before_it_was_reserved_does_not_speak_for_the_pipeline(reason: str) -> None:
    rule = Rule(id=reason, when="amount > 2", route="manual", because="Amounts above 2 need a person")
    policy = LENDING.model_copy(update={"rules": (rule,)})
    assert _explained(reason, policy) == _explained(reason)


@pytest.mark.parametrize(
    ("fields", "policy", "sentence"),
    [
        (
            {"confidence": 0.99},
            LENDING,
            "confidence 0.99 in approve reaches 0.95, what it takes to act without a person",
        ),
        ({"prediction": "reject"}, LENDING, "confidence 0.50 in reject: reject never takes effect without a person"),
        ({}, None, "confidence 0.50 in approve falls in lane loans/approve:async"),
    ],
)
def test_a_lane_is_explained_by_the_policy_that_routed_or_by_its_name(
    fields: dict[str, Any], policy: Policy | None, sentence: str
) -> None:
    explained = _explained("lane:loans/approve:async", policy, **fields)
    assert (explained.text, explained.reveals_prediction) == (sentence, True)


def test_a_rule_is_explained_by_its_text_and_by_what_met_it() -> None:
    assert explain_reasons(_routed("large", "doubtful", "gone"), LENDING) == [
        RouteReason("large", "Large loans are signed by a person (amount 12,000 > 1,000)", False),
        RouteReason("doubtful", "rule doubtful (confidence 0.5 < 0.9)", True),
        RouteReason("gone", "rule gone, whose text is in a policy that is no longer in force", True),
    ]
