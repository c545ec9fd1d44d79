"""What the router tells with a decision of the people who may decide it."""

import json
from typing import Any

import pytest

from interlock.policy.compiled import compile_policy
from interlock.policy.duties import calendar_of
from interlock.policy.load import parse
from interlock.processors.router.router import Router, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import wire
from tests.processors.router.messages import NOW, Sent, sent

DEMANDING = """
name: lending
service_levels: {high: 2h}
domains:
  loans:
    models: [m]
    outcomes: [approve, reject]
    lanes: {approve: {}, reject: {notice: adverse_action}}
    queue: underwriting
queues:
  underwriting:
    qualifications: [underwriter]
    calendar: {time_zone: Europe/Berlin, hours: {mon: ['09:00-17:00']}, holidays: [2026-12-25]}
rules:
  - {id: large, when: amount > 1000, route: sync, four_eyes: true}
  - {id: tiny, when: amount < 1, route: sync}
"""


def _routed(policies: list[str], *messages: Sent) -> dict[str, dict[str, Any]]:
    """The routed decisions by id."""
    state = RouterState()
    for text in policies:
        policy = compile_policy(parse(text, "p"))
        state.policies[policy.name] = policy
    outputs = Router(state, RouterSettings(bytes(16))).process(messages, NOW)
    assert outputs.bad == {}
    records = [wire.decode("RoutedDecision", value) for value in outputs.values]
    return {record["decision"]["decision_id"]: record for record in records}


@pytest.mark.parametrize(("amount", "quorum"), [(1000.0, 1), (1000.5, 2), (None, 2), (0.5, 1)])
def test_every_routed_decision_tells_what_its_policy_demands_of_people(amount: float | None, quorum: int) -> None:
    record = _routed([DEMANDING], sent("d", domain="loans", confidence=0.5, amount=amount))["d"]
    assert (record["quorum"], record["qualifications"]) == (quorum, ["underwriter"])
    assert record["outcomes"] == ["approve", "reject"]
    assert calendar_of(record["calendar"]) == parse(DEMANDING, "p").queues["underwriting"].calendar
    assert json.loads(record["service_levels"]) == {"critical": 3600, "high": 7200, "medium": 86_400, "low": 259_200}
    assert json.loads(record["outcome_notices"]) == {"reject": ["adverse_action"]}


def test_of_a_domain_without_a_policy_nothing_is_demanded_and_that_is_told() -> None:
    record = _routed([DEMANDING], sent("d", domain="elsewhere"))["d"]
    assert (record["quorum"], record["qualifications"], record["outcomes"], record["calendar"]) == (1, [], [], "")
    assert (record["service_levels"], record["outcome_notices"]) == ("", "")


def test_of_a_domain_of_two_policies_all_is_demanded_that_either_would() -> None:
    other = """
name: second
service_levels: {high: 3h, low: 1h}
domains:
  loans: {models: [m], outcomes: [approve, refer, reject], lanes: {reject: {notice: refusal}}}
  mine: {models: [m], outcomes: [confirm, refuse], lanes: {confirm: {}}}
packs: [high-stakes]
"""
    messages = [sent(domain, domain=domain) for domain in ("nobody", "loans", "mine")]
    routed = _routed([DEMANDING, other], *messages)
    loans, mine, nobody = (routed[domain] for domain in ("loans", "mine", "nobody"))
    assert "ambiguous-domain" in loans["reasons"]
    assert (loans["quorum"], loans["qualifications"]) == (2, ["underwriter"])
    assert loans["outcomes"] == ["approve", "reject"]
    assert json.loads(loans["service_levels"]) == {"critical": 3600, "high": 7200, "medium": 86_400, "low": 3600}
    assert json.loads(loans["outcome_notices"]) == {"reject": ["adverse_action", "refusal"]}
    assert (mine["quorum"], mine["qualifications"], mine["policy_version"] != "") == (1, [], True)
    assert (nobody["quorum"], nobody["outcomes"]) == (1, [])
