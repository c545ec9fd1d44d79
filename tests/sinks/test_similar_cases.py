"""Which reviewed decisions are nearest to one, as ClickHouse finds them."""

import pytest
from clickhouse_connect.driver.client import Client

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
from interlock.sinks.similar_cases import MAX_VECTOR, SimilarCaseQueries
from tests.sinks.judged_history import History
from tests.sinks.review_records import DAY, MINUTE, START

pytestmark = pytest.mark.warehouse

NOW = START + DAY


@pytest.fixture
def history(shared: Client, run_id: str) -> History:
    return History(run_id, shared)


@pytest.fixture
def analyst(shared: Client, warehouse: EmbeddedClickHouse) -> Client:
    return warehouse.client("analyst", database=str(shared.database))


def about(
    history: History, client: Client, decision_id: str = "the-new-one", now: int = NOW, nearest: int = 20
) -> SimilarCaseQueries:
    return SimilarCaseQueries(client, decision_id, history.world.name, now, nearest)


def test_the_nearest_vectors_come_first_and_all_are_counted(history: History, analyst: Client) -> None:
    history.decide("far", vector=[-1.0, 0.1])
    history.decide("same", "reject", vector=[2.0, 0.0])
    history.decide("near", vector=[1.0, 0.2])
    history.decide("longer", vector=[1.0, 0.0, 0.0])
    history.decide("none")
    history.decide("zero", vector=[0.0, 0.0])
    history.decide("broken", vector=[float("nan"), 1.0])
    history.decide("of another model", vector=[1.0, 0.0], model_id="other")
    history.arrive()
    found = about(history, analyst, nearest=2).by_vector("scorer", [1.0, 0.0])
    assert history.names(found.rows) == ["same", "near"]
    assert found.compared == 3
    assert found.rows[0].similarity == pytest.approx(1)
    assert (found.rows[0].prediction, found.rows[0].outcome) == ("approve", "reject")
    assert found.rows[0].decided_at == START + 3 * MINUTE


def test_attributes_are_near_by_equal_words_and_near_numbers(history: History, analyst: Client) -> None:
    for number in range(40):
        history.decide(f"other-{number}", attributes={"purpose": "boat", "income": str(1000 * number)})
    history.decide("same", attributes={"purpose": "car", "income": "20000"})
    history.decide("richer", attributes={"purpose": "car", "income": "24000.5"})
    history.decide("nothing known")
    history.decide("no number", attributes={"purpose": "car", "income": "plenty"})
    history.decide("odd", attributes={"purpose": "boat", "income": "1e30"})
    history.arrive()
    found = about(history, analyst, nearest=3).by_attributes({"purpose": "car"}, {"income": 20_000.0})
    # What has no number is as far away as can be, like what has the same number and another purpose.
    assert history.names(found.rows) == ["same", "richer", "no number"]
    assert [row.similarity for row in found.rows] == pytest.approx([1, 0.94, 0.5], abs=0.01)
    assert found.compared == 45


def test_an_attribute_that_is_always_the_same_number_divides_by_nothing(history: History, analyst: Client) -> None:
    history.decide("same", attributes={"term": "36"})
    history.decide("same too", attributes={"term": "36"})
    history.arrive()
    alike = about(history, analyst).by_attributes({}, {"term": 36.0})
    other = about(history, analyst).by_attributes({}, {"term": 12.0})
    assert [row.similarity for row in alike.rows] == [1, 1]
    assert [row.similarity for row in other.rows] == [0, 0]


def test_confidence_compares_what_the_same_model_proposed_too(history: History, analyst: Client) -> None:
    history.decide("near", confidence=0.72)
    history.decide("far", confidence=0.2)
    history.decide("no number", confidence=float("nan"))
    history.decide("another proposal", confidence=0.7, prediction="reject")
    history.decide("another model", confidence=0.7, model_id="other")
    history.arrive()
    found = about(history, analyst).by_confidence("scorer", "approve", 0.7)
    assert history.names(found.rows) == ["near", "far"]
    assert found.rows[0].similarity == pytest.approx(0.98)


def test_only_what_people_judged_by_now_is_a_case(history: History, analyst: Client) -> None:
    history.decide("judged")
    history.decide("took effect unseen", None)
    history.decide("gold", kind="gold", gold_outcome="approve", resolves=False)
    history.decide("first of two", resolves=False)
    history.decide("answered by the policy", reviewer="", verdict="")
    history.decide("later", at=NOW + 1)
    itself = history.decide("itself")
    history.arrive()
    found = about(history, analyst, decision_id=itself).by_confidence("scorer", "approve", 0.9)
    assert history.names(found.rows) == ["judged"]
    by_attributes = about(history, analyst, decision_id=itself).by_attributes({"purpose": "car"}, {})
    assert history.names(by_attributes.rows) == ["judged"]


def test_the_outcome_is_the_last_word_of_people(history: History, analyst: Client) -> None:
    appealed = history.decide("appealed", "approve")
    history.judge(appealed, 2, kind="appeal", round=1, outcome="reject", at=START + 9 * MINUTE, resolves=False)
    history.judge(appealed, 3, kind="appeal", round=1, outcome="refer", at=START + 10 * MINUTE)
    history.judge(appealed, 4, kind="appeal", round=2, outcome="approve", at=NOW + 1)
    history.judge(appealed, 5, kind="gold", outcome="reject", at=START + 11 * MINUTE, resolves=False)
    history.arrive()
    (row,) = about(history, analyst).by_confidence("scorer", "approve", 0.9).rows
    assert (row.outcome, row.decided_at) == ("refer", START + 10 * MINUTE)


def test_without_history_nothing_is_found(history: History, analyst: Client) -> None:
    queries = about(history, analyst)
    for found in (
        queries.by_vector("scorer", [1.0]),
        queries.by_attributes({"purpose": "car"}, {"income": 1.0}),
        queries.by_confidence("scorer", "approve", 0.5),
    ):
        assert (found.rows, found.compared) == ((), 0)


def test_a_very_long_vector_is_not_compared(history: History, analyst: Client) -> None:
    history.decide("long", vector=[1.0] * MAX_VECTOR)
    history.arrive()
    assert about(history, analyst).by_vector("scorer", [1.0] * MAX_VECTOR).compared == 1
    assert about(history, analyst).by_vector("scorer", [1.0] * (MAX_VECTOR + 1)).compared == 0


def test_words_with_quotes_are_compared_as_words(history: History, analyst: Client) -> None:
    odd = "'; DROP TABLE outcomes; -- \\' \" {x:String} \n"
    history.decide("odd", attributes={odd: odd, "purpose": "car"})
    history.decide("plain", attributes={"purpose": "car"})
    history.arrive()
    found = about(history, analyst).by_attributes({odd: odd, "purpose": "car"}, {})
    assert [(name, row.similarity) for name, row in zip(history.names(found.rows), found.rows, strict=True)] == [
        ("odd", 1),
        ("plain", 0.5),
    ]


@pytest.mark.parametrize("now", [-(2**63), 2**63 - 1])
def test_any_time_can_be_asked_for(history: History, analyst: Client, now: int) -> None:
    history.decide("judged")
    history.arrive()
    found = about(history, analyst, now=now).by_confidence("scorer", "approve", 0.9)
    assert found.compared in (0, 1)
