"""Rows sealed under keys of subjects: what stands in ClickHouse, who can read it, and what an erase leaves of it."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import subject
from interlock.encryption.sealing import NONCE_BYTES
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.schemas import catalogue, wire
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from interlock.sinks.opening import opened
from interlock.sinks.rows import TARGETS
from interlock.sinks.sealed_columns import COLUMNS, ERASED, OPENING, OPENING_FACTS
from tests.sinks import learning_records, review_records, sink_world
from tests.sinks.sink_world import ASYNC, DEAD, DECISIONS, OUTCOMES, TASKS, World

pytestmark = pytest.mark.warehouse

EXAMPLES = catalogue.TRAINING_EXAMPLES.name


@pytest.fixture
def world(shared: Client, run_id: str, keys: SqliteKeyStore) -> World:
    return World(run_id, shared, keys=keys)


def tell_of(world: World, decision_id: str, secret: str, subject_id: str) -> None:
    """One record on each topic that says something about a subject, with `secret` wherever it may say something."""
    value = {
        "subject_id": subject_id,
        "impact": secret,
        "attributes": {"name": secret},
        "input": f'{{"name": "{secret}"}}',
        "alternatives": [{"option": secret, "confidence": 0.1, "pros": [secret], "cons": [secret]}],
        "explanation": {
            "top_features": [{"feature": secret, "value": secret, "importance": 0.7}],
            "reasoning": secret,
            "similar_cases": [{"case_id": secret, "outcome": secret}],
        },
    }
    record = sink_world.decision(decision_id, world.name, **value)
    key = decision_id.encode()
    world.send(DECISIONS, key, wire.encode("Decision", record))
    routed = wire.encode("RoutedDecision", sink_world.routed(record, "async"))
    for topic in (ASYNC, catalogue.SHADOW.name):
        world.send(topic, key, routed)
    # Damaged behind its routing fields: its bytes are kept.
    world.send(ASYNC, key, routed[:-3])
    words: dict[str, Any] = {"reason_text": secret, "modifications": f'{{"name": "{secret}"}}'}
    verdict = review_records.verdict(**words)
    task: dict[str, Any] = {"statement": secret, "escalation_note": secret, "on_behalf_of": secret, "parties": [secret]}
    world.tell(TASKS, decision_id, review_records.task(decision_id, verdicts=[verdict], **task))
    world.tell(OUTCOMES, decision_id, review_records.outcome(decision_id, domain=world.name, **words))
    facts = {name: value[name] for name in ("attributes", "input")}
    world.tell(EXAMPLES, decision_id, learning_records.example(decision_id, domain=world.name, **facts, **words))
    world.send(OUTCOMES, key, secret.encode())
    world.bury(key, secret.encode())


def read(client: Client, table: str, world: World, columns: str, keys: SqliteKeyStore | None) -> Any:
    rule = COLUMNS[table]
    asked = ", ".join([rule.decision, columns, OPENING, *([OPENING_FACTS] if rule.facts else [])])
    query = f"SELECT {asked} FROM {table} WHERE kafka_stream = {{name:String}} ORDER BY kafka_topic, kafka_offset"
    return opened(keys, table, client.query(query, parameters={"name": world.name}, tz_mode="aware").named_results())


def test_every_column_of_every_raw_table_is_either_plain_or_sealed(shared: Client) -> None:
    tables = {target.table for target in TARGETS.values()}
    assert COLUMNS.keys() == tables
    query = "SELECT table, groupArray(name) FROM system.columns WHERE database = currentDatabase() GROUP BY table"
    found = {table: set(names) for table, names in shared.query(query).result_rows if table in tables}
    undecided = {table: names ^ COLUMNS[table].every for table, names in found.items()}
    assert not any(undecided.values()), undecided


def test_rows_are_empty_where_they_are_sealed_and_whole_for_who_has_the_keys(
    world: World, shared: Client, keys: SqliteKeyStore
) -> None:
    record = sink_world.decision(f"{world.name}-1", world.name, subject_id="ann")
    world.route(record, "async")
    world.settle(world.writer())
    ((subject_id, given, attributes, features, vector, domain, amount),) = world.ask(
        "SELECT subject_id, input, attributes, explanation.top_features, vector, domain, amount FROM routed_decisions "
        "WHERE kafka_stream = {name:String}"
    )
    assert (subject_id, given, attributes, features, vector) == ("", "", {}, [], [])
    assert (domain, amount) == (world.name, 1200.5)
    columns = "subject_id, impact, attributes, input, alternatives, explanation, history, vector"
    (row,) = read(shared, "routed_decisions", world, columns, keys).rows
    names = columns.split(", ")
    # As a sink without keys stores it.
    plain = World(f"{world.name}-plain", shared)
    plain.route(record, "async")
    plain.settle(plain.writer())
    (as_stored,) = shared.query(
        f"SELECT {columns} FROM routed_decisions WHERE kafka_stream = {{name:String}}",
        parameters={"name": plain.name},
        tz_mode="aware",
    ).named_results()
    assert {name: row[name] for name in names} == {name: as_stored[name] for name in names}


def test_clickhouse_itself_opens_what_it_is_given_the_key_of(world: World, keys: SqliteKeyStore) -> None:
    world.route(sink_world.decision(f"{world.name}-1", world.name, subject_id="ann"), "async")
    world.settle(world.writer())
    secret = keys.keys_for([subject("ann")])[subject("ann")].secret.hex()
    opening = (
        f"decrypt('aes-256-gcm', substring(sealed_facts, {NONCE_BYTES + 1}), unhex('{secret}'), "
        f"substring(sealed_facts, 1, {NONCE_BYTES}), concat('routed_decisions.facts/', decision_id))"
    )
    read_attributes = f"SELECT JSONExtract({opening}, 'attributes', 'Map(String, String)') FROM routed_decisions"
    found = world.ask(f"{read_attributes} WHERE kafka_stream = {{name:String}}")
    assert found == [({"country": "DE", "age": "40"},)]


def test_what_nobody_said_anything_in_needs_no_key(world: World, keys: SqliteKeyStore) -> None:
    quiet = review_records.outcome(f"{world.name}-1", domain=world.name, reason_text="", modifications="")
    world.tell(OUTCOMES, f"{world.name}-1", quiet)
    world.settle(world.writer())
    assert world.ask("SELECT subject_key, sealed FROM outcomes WHERE kafka_stream = {name:String}") == [("", "")]
    assert keys.counts().keys == 0


def test_a_chunk_that_is_sealed_twice_is_the_same_byte_for_byte(world: World, keys: SqliteKeyStore) -> None:
    tell_of(world, f"{world.name}-1", "secret", "ann")
    consumer = world.broker.consumer("any")
    consumer.subscribe([DECISIONS, ASYNC, TASKS, OUTCOMES, EXAMPLES, DEAD])
    messages = consumer.consume(100, 0)
    assert len(messages) == 8
    for message in messages:
        chunk = Chunk(message.topic(), message.partition(), message.offset(), message.offset())
        first, second = (rows.to_arrow([message], chunk, "log", keys) for _ in range(2))
        assert first.equals(second)


def test_a_missing_key_is_told_and_all_else_stays_readable(world: World, shared: Client, keys: SqliteKeyStore) -> None:
    for person in ("ann", "bob"):
        world.route(sink_world.decision(f"{world.name}-{person}", world.name, subject_id=person), "async")
    world.settle(world.writer())
    keys.erase(subject("ann"))
    found = read(shared, "routed_decisions", world, "subject_id, input, attributes", keys)
    assert found.unreadable == (f"{world.name}-ann",)
    assert {row["subject_id"]: row["input"] for row in found.rows} == {"": "", "bob": '{"term": 36}'}
    nobody = read(shared, "routed_decisions", world, "subject_id, attributes", None)
    assert set(nobody.unreadable) == {f"{world.name}-ann", f"{world.name}-bob"}


def test_a_ciphertext_that_was_moved_to_another_decision_is_told_as_unreadable(
    world: World, shared: Client, keys: SqliteKeyStore
) -> None:
    world.route(sink_world.decision(f"{world.name}-1", world.name, subject_id="ann"), "async")
    world.settle(world.writer())
    (row,) = shared.query(
        f"SELECT 'another' AS decision_id, '' AS input, {OPENING} FROM routed_decisions "
        "WHERE kafka_stream = {name:String}",
        parameters={"name": world.name},
    ).named_results()
    assert opened(keys, "routed_decisions", [row]).unreadable == ("another",)


def test_nothing_of_an_erased_decision_is_stored_again_when_its_records_are_read_again(
    world: World, shared: Client, keys: SqliteKeyStore
) -> None:
    decision_id = f"{world.name}-1"
    tell_of(world, decision_id, "secret", "ann")
    world.settle(world.writer())
    keys.erase(subject("ann"), [decision_id])
    later = World(f"{world.name}-later", shared, keys=keys)
    tell_of(later, decision_id, "secret", "ann")
    later.settle(later.writer())
    for table in ("decisions", "routed_decisions", "tasks", "outcomes", "training_examples", "dead_letters"):
        found = later.ask(f"SELECT DISTINCT subject_key, sealed FROM {table} WHERE kafka_stream = {{name:String}}")
        assert found == [(ERASED, "")], table
    assert keys.counts().keys == 0


def test_rows_of_before_stay_readable_beside_those_that_a_sink_with_keys_adds(
    shared: Client, run_id: str, keys: SqliteKeyStore
) -> None:
    world = World(run_id, shared)
    writer = world.writer()
    world.route(sink_world.decision(f"{run_id}-1", run_id), "async")
    world.settle(writer)
    writer.close()
    world.keys = keys
    world.route(sink_world.decision(f"{run_id}-2", run_id, subject_id="ann"), "async")
    world.settle(world.writer())
    found = read(shared, "routed_decisions", world, "subject_id, input, attributes", keys)
    assert sorted((row["subject_id"], row["attributes"]["age"]) for row in found.rows) == [("ann", "40"), ("s-1", "40")]
    assert found.unreadable == ()
    stored = world.ask("SELECT DISTINCT subject_id FROM routed_decisions WHERE kafka_stream = {name:String}")
    assert sorted(stored) == [("",), ("s-1",)]


def test_a_sink_that_seals_still_stores_every_record_exactly_once(world: World) -> None:
    world.pipeline(60)
    world.settle(world.writer())
    world.assert_exactly_once()
