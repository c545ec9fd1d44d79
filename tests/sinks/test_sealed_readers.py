"""Readers of ClickHouse with keys: everything reads as if nothing had been sealed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.client.stored import StoredResolutions
from interlock.encryption.keys import decision, subject
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.policies.replay import NothingToReplayError, replay
from interlock.policies.replay.reading import SealedHistoryError
from interlock.policy.load import parse
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


def test_a_replay_opens_what_the_rules_ask_for_and_names_how_much_it_cannot_open(
    world: World, keys: SqliteKeyStore
) -> None:
    for number in range(3):
        about = sink_world.decision(f"{world.name}-{number}", world.name, subject_id=f"{world.name}-{number}")
        world.route(about | {"attributes": {"country": ("DE", "FR", "DE")[number]}}, "async")
    world.settle(world.writer())
    domain = {"models": ["scorer"], "outcomes": ["approve", "reject"], "attributes": {"country": "string"}}
    written = {"name": world.name, "domains": {world.name: domain | {"groups": ["country"]}}}
    since = datetime.fromtimestamp(START / 1_000_000, UTC) - timedelta(days=400)
    until = datetime.now(UTC) + timedelta(days=400)
    rule = {"id": "germany", "when": "country = 'DE'", "route": "manual"}
    candidate = parse(json.dumps(written | {"rules": [rule]}), "candidate")
    with pytest.raises(SealedHistoryError, match=r"3 decisions .* use country, and this process has no keys"):
        replay(world.client, candidate, since, until)
    result = replay(world.client, candidate, since, until, keys)
    assert (result.decisions, result.unreadable) == (3, 0)
    assert [(effect.reason, effect.added) for effect in result.rules if effect.reason == "germany"] == [("germany", 2)]
    assert {(errors.attribute, errors.value) for errors in result.errors} >= {("country", "DE"), ("country", "FR")}
    keys.erase(subject(f"{world.name}-0"))
    result = replay(world.client, candidate, since, until, keys)
    assert (result.decisions, result.unreadable) == (2, 1)
    for number in (1, 2):
        keys.erase(subject(f"{world.name}-{number}"))
    with pytest.raises(NothingToReplayError, match=r"all 3 decisions .* sealed under keys that are gone"):
        replay(world.client, candidate, since, until, keys)
    # What the rules do not ask for needs no key.
    plain = parse(json.dumps(written | {"domains": {world.name: domain}, "rules": []}), "candidate")
    assert replay(world.client, plain, since, until).decisions == 3
