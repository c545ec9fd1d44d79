"""Challengers in shadow mode: routed and logged, and nothing takes effect."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.errors import PolicyError
from interlock.policy.load import parse
from interlock.schemas import catalogue
from tests.processors.router.messages import Sent, sent
from tests.processors.shadow.shadow_world import POLICY, routed

ACTIVE = parse(POLICY.replace("rate: 0.1", "rate: 0.4, active: {budget_per_day: 5}"), "lending")

CHALLENGER: dict[str, Any] = {"model_version": "2", "amount": 1.0}


def _only(message: Sent) -> tuple[str, dict[str, Any]]:
    ((topic, record, _),) = routed([message])
    return topic, record


def test_what_a_challenger_decides_goes_to_the_shadow_topic_and_nowhere_else() -> None:
    topic, record = _only(sent(**CHALLENGER))
    assert topic == catalogue.SHADOW.name
    assert record["route"] == "auto"
    assert record["reasons"] == ["lane:loans/approve:auto", "shadow"]
    assert (record["audit"], record["propensity"]) == (False, 0.0)


@pytest.mark.parametrize(
    ("fields", "route", "reason"),
    [
        ({"amount": 5000.0}, "sync", "large"),
        ({"confidence": 0.85}, "async", "lane:loans/approve:async"),
        ({"confidence": 0.1}, "manual", "lane:loans/approve:manual"),
        ({"prediction": "postpone"}, "manual", "unknown-prediction"),
        ({"created_at": 0}, "manual", "implausible-timestamp"),
    ],
)
def test_its_record_says_the_route_it_would_have_had_and_why(fields: dict[str, Any], route: str, reason: str) -> None:
    topic, record = _only(sent(**{**CHALLENGER, **fields}))
    assert (topic, record["route"], record["propensity"]) == (catalogue.SHADOW.name, route, 0.0)
    assert reason in record["reasons"]


def test_a_model_that_may_not_decide_yet_may_be_a_challenger_with_one_version_alone() -> None:
    topic, record = _only(sent(model_id="new", amount=1.0))
    assert (topic, record["route"]) == (catalogue.SHADOW.name, "auto")
    topic, record = _only(sent(model_id="new", model_version="2", amount=1.0))
    assert topic == catalogue.REVIEWS_MANUAL.name
    assert "unknown-model" in record["reasons"]


def test_nothing_of_it_can_be_overridden_and_nobody_reviews_it_where_all_else_is_reviewed() -> None:
    topic, record = _only(sent(domain="later", **CHALLENGER))
    assert (topic, record["route"], record["override_until"]) == (catalogue.SHADOW.name, "auto", None)


def test_a_challenger_in_one_domain_is_none_in_another() -> None:
    topics = [topic for topic, _, _ in routed([sent(domain="later", model_id="new", amount=1.0)])]
    assert topics == [catalogue.AUTO_APPROVED.name, catalogue.REVIEWS_ASYNC.name]


def test_the_champion_is_routed_beside_a_challenger_as_without_it() -> None:
    champion = [sent(f"d-{i}", amount=1.0) for i in range(300)]
    challenger = [sent(f"n-{i}", **CHALLENGER) for i in range(300)]
    mixed = [message for pair in zip(champion, challenger, strict=True) for message in pair]
    without = routed(champion, parse(POLICY.replace(", shadow: ['m@2', 'new@1']", ""), "p"))

    def champion_routes(results: list[tuple[str, dict[str, Any], bytes]]) -> list[tuple[str, str, bool, float]]:
        return [
            (topic, record["decision"]["decision_id"], record["audit"], record["propensity"])
            for topic, record, _ in results
            if record["decision"]["model_version"] == "1"
        ]

    results = routed(mixed)
    assert champion_routes(results) == champion_routes(without)
    topics = [topic for topic, record, _ in results if record["decision"]["model_version"] == "2"]
    assert topics == [catalogue.SHADOW.name] * 300


_decisions = st.lists(
    st.fixed_dictionaries(
        {
            "domain": st.sampled_from(["loans", "later", "nowhere"]),
            "model_id": st.sampled_from(["m", "new", "other"]),
            "model_version": st.sampled_from(["1", "2"]),
            "confidence": st.floats(0.5, 1),
            "amount": st.sampled_from([1.0, 5000.0, None]),
        }
    ),
    max_size=40,
)


@given(_decisions, st.integers(0, 40))
@settings(max_examples=60)
def test_every_decision_stands_in_exactly_one_topic_however_the_input_is_cut(
    decisions: list[dict[str, Any]], cut: int
) -> None:
    messages = [sent(f"d-{number}", **decision) for number, decision in enumerate(decisions)]
    whole = routed(messages, ACTIVE)
    parts = routed(messages[:cut], ACTIVE) + routed(messages[cut:], ACTIVE)
    assert sorted((topic, value) for topic, _, value in parts) == sorted((topic, value) for topic, _, value in whole)
    copies = [record for topic, record, _ in whole if topic.startswith("reviews.") and record["route"] == "auto"]
    assert len(whole) == len(messages) + len(copies)
    challengers = {("loans", "m", "2"), ("loans", "new", "1"), ("later", "m", "2")}
    for topic, record, _ in whole:
        decision = record["decision"]
        is_challenger = (decision["domain"], decision["model_id"], decision["model_version"]) in challengers
        assert is_challenger is (topic == catalogue.SHADOW.name)
        assert is_challenger is (record["propensity"] == 0)
        # What is left to the sampler takes effect, and the coin of the router has not picked it.
        pooled = "active-pool" in record["reasons"]
        assert not pooled or (topic == catalogue.AUTO_APPROVED.name and not record["audit"])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("'m@2', 'new@1'", "m"), "write model_id@model_version"),
        (("models: [m]", "models: [m, 'm@2']"), "'m@2' is among the models as well"),
        (("rules:", "rules:\n  - {id: shadow, when: novel, route: sync}"), "a reason that the pipeline gives itself"),
    ],
)
def test_a_challenger_that_makes_no_sense_is_refused_with_its_position(change: tuple[str, str], complaint: str) -> None:
    with pytest.raises(PolicyError, match=complaint):
        parse(POLICY.replace(*change), "p.yaml")
