"""Similar cases of a task: the best method that finds any, and nothing where the AI's answer is hidden."""

from typing import Any, cast

import pytest
from clickhouse_connect.driver.client import Client

from interlock.api.similar_cases import find_similar_cases
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.processors.review.payload import Payload, as_shown
from interlock.processors.review.similar import SimilarCases
from interlock.processors.review.view import build_view
from interlock.schemas import wire
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
from tests.interlock.review.review_world import POLICY, decision, routed, task_record
from tests.sinks.judged_history import History
from tests.sinks.review_records import DAY, START

pytestmark = pytest.mark.warehouse

LENDING = parse(POLICY, "lending")
NOW = START + DAY


@pytest.fixture
def history(shared: Client, run_id: str) -> History:
    return History(run_id, shared)


@pytest.fixture
def analyst(shared: Client, warehouse: EmbeddedClickHouse) -> Client:
    return warehouse.client("analyst", database=str(shared.database))


def found_for(
    client: Client, domain: str, route: str = "async", policy: Policy | None = LENDING, **changes: Any
) -> SimilarCases | None:
    said = {"top_features": [], "reasoning": "", "similar_cases": []}
    content = decision("the-new-one", domain=domain, model_id="scorer", explanation=said, **changes)
    envelope = routed(content | {"prediction": "approve"}, route, audit=route == "auto", calibrated_confidence=0.9)
    payload = Payload(envelope, verified=True)
    view = build_view(task_record(envelope), payload, NOW)
    return find_similar_cases(client, "the-new-one", view, payload, policy, NOW)


def test_vectors_go_before_attributes_and_attributes_before_confidence(history: History, analyst: Client) -> None:
    history.decide("judged", "reject", vector=[1.0, 0.0], attributes={"age": "40"})
    history.arrive()
    domain = history.world.name
    asked = [
        found_for(analyst, domain, vector=[1.0, 0.1], attributes={"age": "40"}),
        found_for(analyst, domain, vector=[1.0], attributes={"age": "40"}),  # of another length than all others
        found_for(analyst, domain, vector=[], attributes={"undeclared": "40"}),
        found_for(analyst, domain, vector=[], attributes={"age": "40"}, policy=None),
    ]
    assert [found.method for found in asked if found] == ["vector", "attributes", "confidence", "confidence"]
    for found in asked:
        assert found
        (case,) = found.cases
        assert (case.case_id, case.outcome, case.overridden) == (f"{domain}-judged", "reject", True)
        assert (found.accuracy, found.judged, found.count) == (0, 1, 1)


def test_without_judged_decisions_the_note_says_so(history: History, analyst: Client) -> None:
    found = found_for(analyst, history.world.name)
    assert found
    assert (found.cases, found.method, found.accuracy) == ((), "none", None)


@pytest.mark.parametrize("route", ["auto", "manual"])
def test_nothing_is_asked_while_the_answer_is_hidden(route: str) -> None:
    nobody = cast(Client, object())  # whoever asks it fails
    assert found_for(nobody, "loans", route) is None


@pytest.mark.parametrize("given", [{"vector": [1.0, 0.0]}, {"attributes": {"age": "40"}}, {}])
def test_the_case_that_a_gold_item_copies_is_not_among_its_similar_cases(
    history: History, analyst: Client, given: dict[str, Any]
) -> None:
    """It would be the nearest one, and its outcome the right answer."""
    case = history.decide("case", "reject", **given)
    history.decide("another", "approve", **given)
    history.arrive()
    said = {"top_features": [], "reasoning": "", "similar_cases": []}
    content = decision(case, domain=history.world.name, model_id="scorer", explanation=said, vector=[], attributes={})
    envelope = routed(content | given | {"prediction": "approve"}, "async", calibrated_confidence=0.9)
    record = {**task_record(envelope), "kind": "gold", "task_id": f"{case}-planted"}
    payload = as_shown(
        record, Payload(wire.decode("RoutedDecision", wire.encode("RoutedDecision", envelope)), verified=True)
    )
    found = find_similar_cases(analyst, case, build_view(record, payload, NOW), payload, LENDING, NOW)
    assert found
    assert ([each.case_id for each in found.cases], found.count) == ([f"{history.world.name}-another"], 1)
