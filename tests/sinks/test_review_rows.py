"""The records of the review and learning sides as rows: every field a column, every record one row."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.schemas import catalogue, wire
from interlock.schemas.retry_headers import Retry, with_retry_headers
from interlock.sinks.migrate import shipped
from interlock.sinks.rows import TARGETS
from interlock.sinks.statements import statements
from tests.sinks import learning_records
from tests.sinks import review_records as records
from tests.sinks.sink_world import World

pytestmark = pytest.mark.warehouse

COMPACTED = [
    ("reviews.tasks", records.task("d-1", verdicts=[records.verdict("ann"), records.verdict("bob", "approve")])),
    ("reviews.presence", records.presence("ann")),
    ("resolutions", records.resolution("d-1")),
    ("reviewers", records.reviewer("ann")),
    ("proposals", learning_records.proposal("threshold-1")),
    ("actions.sequences", records.action_sequence("d-1")),
    ("schemas", learning_records.schema_version("registry/47")),
]
# Fields that stay in Kafka: they may hold passwords.
SECRETS = {"reviewers": ("contact",)}

PLAIN = [
    ("reviews.commands", records.command("c-1"), "task_id"),
    ("reviews.replies", records.reply("c-1"), "command_id"),
    ("reviews.outcomes", records.outcome("d-1"), "decision_id"),
    ("actions", records.action("d-1"), "decision_id"),
    ("alerts", records.alert("a-1"), "alert_id"),
    ("training.examples", learning_records.example("d-1"), "decision_id"),
    ("retraining.requests", learning_records.request(), "request_id"),
    ("calibration.reports", learning_records.report(), "report_id"),
    ("drift.signals", learning_records.signal("overrides/scorer@7/900"), "signal_id"),
]


def rows(world: World, topic: str) -> list[dict[str, Any]]:
    query = "SELECT * FROM {table:Identifier} WHERE kafka_stream = {name:String} ORDER BY kafka_offset"
    parameters = {"table": TARGETS[topic].table, "name": world.name}
    return [dict(row) for row in world.client.query(query, parameters=parameters).named_results()]


def settled(run_id: str, client: Client, send: Callable[[World], None]) -> World:
    world = World(run_id, client, partitions=1)
    send(world)
    world.settle(world.writer())
    return world


def plain(value: Any) -> Any:
    """Times as integers, so that they compare with what was sent."""
    if isinstance(value, datetime):
        # The client leaves the zone out inside of tuples.
        return (value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def without_places(row: dict[str, Any]) -> dict[str, Any]:
    own = {"error", "error_message", "raw", "key", "tombstone", "inserted_at", "link"}
    own |= {"subject_key", "sealed", "sealed_facts"}
    return {
        name: plain(value)
        for name, value in row.items()
        # In outcomes a column that ClickHouse fills, in reports a number.
        if name not in own and not name.startswith("kafka_") and not (name == "reviewed" and isinstance(value, bool))
    }


@pytest.mark.parametrize(("topic", "record"), [*COMPACTED, *((topic, record) for topic, record, _ in PLAIN)])
def test_every_field_comes_back_as_it_was_sent(shared: Client, run_id: str, topic: str, record: dict[str, Any]) -> None:
    world = settled(run_id, shared, lambda world: world.tell(topic, "key", record))
    (row,) = rows(world, topic)
    assert without_places(row) == {**record, **{name: "" for name in SECRETS.get(topic, ())}}
    assert (row["error"], row["raw"]) == ("", "")


@pytest.mark.parametrize(("topic", "record"), COMPACTED)
def test_a_tombstone_is_a_row_with_its_key_and_no_error(
    shared: Client, run_id: str, topic: str, record: dict[str, Any]
) -> None:
    def send(world: World) -> None:
        world.tell(topic, "key", record)
        world.tell(topic, "key", None)

    kept, removed = rows(settled(run_id, shared, send), topic)
    assert [(item["key"], item["tombstone"], item["error"]) for item in (kept, removed)] == [
        ("key", False, ""),
        ("key", True, ""),
    ]
    empty = [value for value in without_places(removed).values() if value not in ("", 0, [], None, False)]
    assert empty == []


@pytest.mark.parametrize(("topic", "key_column"), [*((t, "key") for t, _ in COMPACTED), *((t, c) for t, _, c in PLAIN)])
def test_what_cannot_be_read_is_a_row_with_its_key_its_error_and_its_bytes(
    shared: Client, run_id: str, topic: str, key_column: str
) -> None:
    schema = catalogue.BY_NAME[topic].schema
    assert schema
    damaged = wire.header(schema) + b"\x09damaged"

    def send(world: World) -> None:
        world.send(topic, b"first", b"nonsense")
        world.send(topic, b"second", damaged)

    nonsense, cut = rows(settled(run_id, shared, send), topic)
    assert [(item[key_column], item["error"]) for item in (nonsense, cut)] == [
        ("first", "not-wire-format"),
        ("second", "malformed-avro"),
    ]
    assert nonsense["raw"] == ("" if topic in SECRETS else "nonsense")
    assert all(item["error_message"] for item in (nonsense, cut))


@pytest.mark.parametrize(("topic", "record", "key_column"), PLAIN)
def test_an_empty_record_is_an_error_where_nothing_is_compacted(
    shared: Client, run_id: str, topic: str, record: dict[str, Any], key_column: str
) -> None:
    def send(world: World) -> None:
        world.tell(topic, "key", record)
        world.send(topic, b"key", None)

    _, empty = rows(settled(run_id, shared, send), topic)
    assert (empty["error"], empty[key_column]) == ("empty-value", "key")


def test_where_alerts_go_is_not_stored_and_what_was_stored_before_is_cleared(own: Client, run_id: str) -> None:
    secret = "mailto://ann:password@example.org"

    def send(world: World) -> None:
        world.tell("reviewers", "ann", records.reviewer("ann", contact=secret))
        world.send("reviewers", b"bob", wire.encode("Reviewer", records.reviewer("bob", contact=secret))[:-1])

    settled(run_id, own, send)
    told = "SELECT count() FROM reviewers WHERE toString(tuple(*)) LIKE '%password%'"
    assert own.query("SELECT count() FROM reviewers").first_row == (2,)
    assert own.command(told) == 0

    own.command(f"INSERT INTO reviewers (kafka_stream, contact, raw) VALUES ('before', '{secret}', 'x {secret}')")
    assert own.command(told) == 1
    (migration,) = (migration for migration in shipped() if migration.number == 14)
    for statement in statements(migration.text):
        own.command(statement)
    assert own.command(told) == 0


def test_every_topic_has_a_table_but_those_of_tokens_sessions_who_looks_at_what_tallies_and_progress() -> None:
    without = {"access", "reviews.viewing", "reviews.tallies", "proposals.progress"}
    assert set(TARGETS) == set(catalogue.BY_NAME) - without
    assert {topic.name for topic in catalogue.STORED_TOPICS} == set(TARGETS)


def test_absurd_times_in_lists_are_clamped_and_stop_nothing(shared: Client, run_id: str) -> None:
    off = {"start": -(2**62), "end": 2**62}
    world = settled(
        run_id, shared, lambda world: world.tell("reviewers", "ann", records.reviewer("ann", time_off=[off]))
    )
    (row,) = rows(world, "reviewers")
    assert [(item["start"].year, item["end"].year) for item in row["time_off"]] == [(1900, 2299)]


def test_what_was_sent_back_to_an_executor_is_a_row_with_its_group_and_place(shared: Client, run_id: str) -> None:
    value = wire.encode("Action", records.action("d-1"))
    retry = Retry("webhooks", "actions", 2, 7, "discard")

    def send(world: World) -> None:
        world.send("actions.retry", b"d-1", value, with_retry_headers([("traceparent", b"00-1")], retry))
        world.send("actions.retry", None, None)

    sent, foreign = rows(settled(run_id, shared, send), "actions.retry")
    assert (sent["executor_group"], sent["request"], sent["original_key"]) == ("webhooks", "discard", "d-1")
    assert (sent["source_topic"], sent["source_partition"], sent["source_offset"]) == ("actions", 2, 7)
    assert (foreign["executor_group"], foreign["source_offset"], foreign["original_value"]) == ("", None, None)
