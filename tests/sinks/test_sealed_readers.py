"""Readers of ClickHouse with keys: everything reads as if nothing had been sealed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.client.stored import StoredResolutions
from interlock.encryption.keys import decision, subject
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.policies.replay import replay
from interlock.policies.replay.replaying import SealedHistoryError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.review.last_task import latest_task
from interlock.review.stored_payload import stored_payload
from interlock.schemas import catalogue, wire
from interlock.sinks import queries
from interlock.sinks.opening import SealedContentError
from interlock.sinks.questions import ask
from interlock.sinks.similar_cases import SimilarCaseQueries
from tests.sinks import review_records, sink_world
from tests.sinks.judged_history import History
from tests.sinks.review_records import DAY, START
from tests.sinks.sink_world import ASYNC, OUTCOMES, TASKS, World

pytestmark = pytest.mark.warehouse

NOW = START + DAY


@pytest.fixture
def world(shared: Client, run_id: str, keys: SqliteKeyStore) -> World:
    return World(run_id, shared, keys=keys)


def place_of(decision_id: str) -> dict[str, Any]:
    return {"decision_id": decision_id, "topic": ASYNC, "partition": 0, "offset": 0}


def test_a_stored_payload_is_the_record_again_and_an_erased_one_is_told(world: World, keys: SqliteKeyStore) -> None:
    world.partitions = 1
    decision_id = f"{world.name}-1"
    record = sink_world.routed(sink_world.decision(decision_id, world.name, subject_id=world.name), "async")
    value = wire.encode("RoutedDecision", record)
    world.send(ASYNC, decision_id.encode(), value)
    world.settle(world.writer())
    assert stored_payload(world.client, place_of(decision_id), keys) == value
    with pytest.raises(SealedContentError, match="INTERLOCK_ENCRYPTION__MASTER_KEY"):
        stored_payload(world.client, place_of(decision_id))
    keys.erase(subject(world.name), [decision_id])
    with pytest.raises(SealedContentError, match="it was erased"):
        stored_payload(world.client, place_of(decision_id), keys)


def test_the_bytes_of_a_damaged_record_are_those_of_kafka(world: World, keys: SqliteKeyStore) -> None:
    world.partitions = 1
    decision_id = f"{world.name}-1"
    record = sink_world.routed(sink_world.decision(decision_id, world.name), "async")
    value = wire.encode("RoutedDecision", record)[:-3]
    world.send(ASYNC, decision_id.encode(), value)
    world.settle(world.writer())
    assert stored_payload(world.client, place_of(decision_id), keys) == value


def test_the_latest_task_is_the_record_that_the_desk_wrote(world: World, keys: SqliteKeyStore) -> None:
    task_id = f"{world.name}-1"
    said: dict[str, Any] = {"statement": "not me", "on_behalf_of": "M. Weber", "parties": ["M. Weber"]}
    record = review_records.task(task_id, state="done", verdicts=[review_records.verdict()], **said)
    world.tell(TASKS, task_id, record)
    world.settle(world.writer())
    found = latest_task(world.client, task_id, keys)
    assert found is not None
    assert {name: found.record[name] for name in (*said, "verdicts")} == {
        name: record[name] for name in (*said, "verdicts")
    }
    assert wire.encode("Task", found.record) == wire.encode("Task", record)


def test_a_resolution_keeps_what_people_changed_and_is_refused_to_who_cannot_read_it(
    world: World, keys: SqliteKeyStore
) -> None:
    decision_id = f"{world.name}-1"
    word = review_records.resolution(decision_id, modifications='{"amount": 5}', reason_text="too high")
    world.tell(catalogue.RESOLUTIONS.name, decision_id, word)
    world.settle(world.writer())
    found = StoredResolutions(world.client, keys).find([decision_id])[decision_id]
    assert (found.result.modifications, found.result.reason_text) == ({"amount": 5}, "too high")
    with pytest.raises(SealedContentError):
        StoredResolutions(world.client).find([decision_id])
    keys.erase(decision(decision_id))
    erased = StoredResolutions(world.client, keys).find([decision_id])[decision_id]
    assert (erased.result.outcome, erased.result.modifications) == (found.result.outcome, {})


def test_the_timeline_tells_the_words_to_who_has_the_keys(world: World, keys: SqliteKeyStore) -> None:
    decision_id = f"{world.name}-1"
    world.route(sink_world.decision(decision_id, world.name), "async")
    world.tell(OUTCOMES, decision_id, review_records.outcome(decision_id, domain=world.name, reason_text="pay slip"))
    world.settle(world.writer())
    with_keys = queries.decision_timeline(world.client, decision_id, keys)
    assert [row["event"] for row in with_keys if "pay slip" in row["detail"]] == ["verdict"]
    assert "pay slip" not in str(queries.decision_timeline(world.client, decision_id))
    assert "pay slip" in str(ask(world.client, "decision_timeline", keys, decision_id=decision_id).rows)


def test_decisions_about_a_subject_are_found_by_its_key(world: World, keys: SqliteKeyStore) -> None:
    person = f"person-{world.name}"
    for number in range(3):
        about = person if number else "another"
        world.route(sink_world.decision(f"{world.name}-{number}", world.name, subject_id=about), "auto")
    world.settle(world.writer())
    expected = {f"{world.name}-1", f"{world.name}-2"}
    for name in ("subject_decisions", "decision_search"):
        answer = ask(world.client, name, keys, subject_id=person)
        assert {row["decision_id"] for row in answer.named_rows()} == expected, name
        assert not ask(world.client, name, subject_id=person).rows
    keys.erase(subject(person), sorted(expected))
    assert not ask(world.client, "subject_decisions", keys, subject_id=person).rows


@pytest.mark.parametrize("sealed", [False, True], ids=["plain rows", "sealed rows"])
def test_similar_cases_are_those_that_sql_finds_in_plain_rows(
    shared: Client, run_id: str, keys: SqliteKeyStore, sealed: bool
) -> None:
    """The same history twice: compared in ClickHouse as it is, and here with keys."""

    def history(name: str, store: SqliteKeyStore | None) -> History:
        made = History(name, shared)
        made.world.keys = store
        for number in range(30):
            facts = {"purpose": ("car", "boat")[number % 2], "income": str(1000 * number)}
            if number % 7 == 0:
                facts["income"] = ("plenty", "nan", "1_0", "")[number // 7 % 4]
            made.decide(f"case-{number}", attributes=facts, vector=[number - 15.0, 3.0])
        made.arrive()
        return made

    plain, other = history(run_id, None), history(f"{run_id}-keys", keys if sealed else None)
    words, numbers, vector = {"purpose": "car"}, {"income": 12_500.0}, [1.0, 1.0]
    by_sql = SimilarCaseQueries(shared, "new", plain.world.name, NOW, 10)
    with_keys = SimilarCaseQueries(shared, "new", other.world.name, NOW, 10, keys)
    for one, two in (
        (by_sql.by_attributes(words, numbers), with_keys.by_attributes(words, numbers)),
        (by_sql.by_vector("scorer", vector), with_keys.by_vector("scorer", vector)),
    ):
        assert plain.names(one.rows) == other.names(two.rows)
        assert len(one.rows) == 10
        assert [row.similarity for row in two.rows] == pytest.approx([row.similarity for row in one.rows], abs=1e-6)
        assert one.compared == two.compared
    if sealed:
        nobody = SimilarCaseQueries(shared, "new", other.world.name, NOW, 10)
        assert nobody.by_attributes(words, numbers).compared == 0


def test_a_replay_refuses_rules_on_what_is_sealed_and_tries_all_others(world: World) -> None:
    world.route(sink_world.decision(f"{world.name}-1", world.name), "async")
    world.settle(world.writer())
    domain = {"models": ["scorer"], "outcomes": ["approve", "reject"], "attributes": {"country": "string"}}
    written = {"name": world.name, "domains": {world.name: domain}}
    since = datetime.fromtimestamp(START / 1_000_000, UTC) - timedelta(days=400)
    until = datetime.now(UTC) + timedelta(days=400)

    def with_rule(when: str) -> Policy:
        return parse(json.dumps(written | {"rules": [{"id": "r", "when": when, "route": "manual"}]}), "candidate")

    assert replay(world.client, with_rule("amount > 10"), since, until).decisions == 1
    for when, named in (("country = 'DE'", "country"), ("impact = 'household' AND amount > 1", "impact")):
        with pytest.raises(SealedHistoryError, match=f"1 decisions .* use {named}"):
            replay(world.client, with_rule(when), since, until)
