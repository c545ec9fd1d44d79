"""Rows sealed under keys of subjects: what stands in ClickHouse, who can read it, and what an erase leaves of it."""

from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import SubjectKey, decision, subject
from interlock.encryption.sealing import NONCE_BYTES
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.schemas import catalogue, wire
from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
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


def test_rows_of_before_stay_readable_as_they_were(shared: Client, run_id: str, keys: SqliteKeyStore) -> None:
    before = World(run_id, shared)
    before.route(sink_world.decision(f"{run_id}-1", run_id), "async")
    before.settle(before.writer())
    found = read(shared, "routed_decisions", before, "subject_id, input, attributes", keys)
    assert [(row["subject_id"], row["attributes"]["age"]) for row in found.rows] == [("s-1", "40")]
    assert found.unreadable == ()


def test_a_sink_that_seals_still_stores_every_record_exactly_once(world: World) -> None:
    world.pipeline(60)
    world.settle(world.writer())
    world.assert_exactly_once()


def test_no_personal_field_stands_in_plain_anywhere_in_the_data_directory(
    world: World, shared: Client, warehouse: EmbeddedClickHouse, keys: SqliteKeyStore
) -> None:
    """Searched byte by byte, with compression off: what is compressed would be found by nobody."""
    secret, person = f"geheim{world.name}", f"person{world.name}"
    decision_id = f"{world.name}-1"
    tell_of(world, decision_id, secret, person)
    world.settle(world.writer())
    tables = [table for table, rule in COLUMNS.items() if rule.sealed]
    for table in tables:
        shared.command(f"OPTIMIZE TABLE {table} FINAL")
    for table in ("routed_decisions", "outcomes", "tasks", "training_examples"):
        assert secret in str(read(shared, table, world, ", ".join(COLUMNS[table].sealed), keys).rows), table
    owners = [subject(person), decision(decision_id)]
    secrets: list[SubjectKey] = list(keys.keys_for(owners).values())
    assert len(secrets) == 2
    for needle in (secret.encode(), person.encode(), *(key.secret for key in secrets)):
        assert not [file for file in files(warehouse.settings.data_dir) if needle in file.read_bytes()]
    erased = keys.erase(subject(person), [decision_id])
    assert set(erased.key_ids) == {key.id for key in secrets}
    for table in tables:
        found = read(shared, table, world, ", ".join(COLUMNS[table].sealed), keys)
        assert secret not in str(found.rows)


def files(folder: Path) -> list[Path]:
    return [file for file in Path(folder).rglob("*") if file.is_file()]
