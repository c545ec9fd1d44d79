"""What ClickHouse keeps of decisions explains them as their logs in Kafka do."""

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import subject
from interlock.encryption.master import KEY_BYTES, LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.errors import UnavailableError
from interlock.explanations.from_kafka import records_in_kafka
from interlock.explanations.gathering import gather
from interlock.explanations.stored import stored_records
from interlock.processors.explanation.explain import explain
from interlock.processors.explanation.for_subject import explain_to_subject
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import SINK_GROUP
from interlock.sinks.writer import SinkSettings, SinkWriter
from interlock.streams.memory import InlineExecutor
from interlock.testing import Topology
from tests.interlock.explanations import histories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
    from tests.sinks.migrated import Migrated


@pytest.fixture(scope="module")
def pipeline() -> Topology:
    topology = histories.build()
    topology.reviewer("lee").gold("approved", "reject")
    topology.run()
    return topology


@pytest.fixture(scope="module")
def stored(warehouse: "EmbeddedClickHouse", migrated: "Migrated", pipeline: Topology) -> "Iterator[Client]":
    """A database with everything that the sink has read from the pipeline."""
    with warehouse.client() as owner:
        owner.command("CREATE DATABASE explanations")
    with warehouse.client(database="explanations") as client:
        migrated.fill(client)
        _sink(pipeline, client)
        yield client
    with warehouse.client() as owner:
        owner.command("DROP DATABASE explanations")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SqliteKeyStore]":
    path = tmp_path_factory.mktemp("keys") / "keys.sqlite"
    store = SqliteKeyStore(path, lambda _: LocalMasterKey(b"k" * KEY_BYTES))
    yield store
    store.close()


@pytest.fixture(scope="module")
def sealed(
    warehouse: "EmbeddedClickHouse", migrated: "Migrated", pipeline: Topology, keys: SqliteKeyStore
) -> "Iterator[Client]":
    """The same under the keys of the subjects."""
    with warehouse.client() as owner:
        owner.command("CREATE DATABASE sealed_explanations")
    with warehouse.client(database="sealed_explanations") as client:
        migrated.fill(client)
        _sink(pipeline, client, keys)
        yield client
    with warehouse.client() as owner:
        owner.command("DROP DATABASE sealed_explanations")


def _sink(pipeline: Topology, client: Client, keys: SqliteKeyStore | None = None) -> None:
    process = pipeline.broker.process()
    # Every sink reads from the beginning.
    process.cluster.group(SINK_GROUP).committed.clear()
    topics = [topic.name for topic in catalogue.STORED_TOPICS]
    writer = SinkWriter(
        process,
        client,
        SinkSettings(dict.fromkeys(topics, "explanations"), flush_seconds=0.0, max_rows=5000, max_consumed=5000),
        monotonic=lambda: 0.0,
        executor=InlineExecutor(),
        keys=keys,
    )
    idle = 0
    while idle < 20:
        writer.step()
        idle = idle + 1 if writer.idle else 0
    writer.close()


@pytest.mark.parametrize("name", histories.NAMES)
def test_a_decision_is_explained_from_clickhouse_as_from_kafka(pipeline: Topology, stored: Client, name: str) -> None:
    from_store, from_log = explain(stored_records(stored, name)), explain(records_in_kafka(pipeline.broker, name))
    assert json.dumps(from_store.facts()) == json.dumps(from_log.facts())


@pytest.mark.parametrize("name", ["overridden", "appealed", "challenger"])
def test_what_is_sealed_is_explained_with_its_key_as_if_it_were_not(
    pipeline: Topology, sealed: Client, keys: SqliteKeyStore, name: str
) -> None:
    from_store, from_log = explain(stored_records(sealed, name, keys)), explain(records_in_kafka(pipeline.broker, name))
    assert json.dumps(from_store.facts()) == json.dumps(from_log.facts())


def test_without_keys_the_course_is_told_and_that_the_content_is_not(sealed: Client) -> None:
    told = explain(stored_records(sealed, "overridden"))
    assert [word.outcome for word in told.words] == ["approve", "reject", "reject"]
    assert told.content_lost
    assert "this process has none" in told.missing[0]
    assert "arrears" not in json.dumps(told.facts())


def test_what_an_erased_key_took_away_is_said_and_the_rest_is_told(sealed: Client, keys: SqliteKeyStore) -> None:
    keys.erase(subject("s-9"), ["open"])
    told = explain(stored_records(sealed, "open", keys))
    assert told.missing[0].startswith("What could identify the person was erased")
    assert told.answer is not None
    assert (told.answer.prediction, told.answer.factors, told.subject_id) == ("approve", (), "")
    assert told.rules is not None
    assert "amount 20,000 > 10,000" in told.rules.reasons[1].text
    letter = explain_to_subject(stored_records(sealed, "open", keys))
    assert "erased" in json.dumps(letter.facts())


def test_a_gold_item_is_no_part_of_the_history_of_the_decision_that_it_copies(stored: Client) -> None:
    records = stored_records(stored, "approved")
    assert {entry.record["kind"] for entry in records.tasks} == {"review"}


def test_an_unknown_decision_has_no_records(stored: Client) -> None:
    assert not stored_records(stored, "nobody").known


def test_while_clickhouse_is_away_kafka_explains_what_it_can_and_says_what_is_missing(pipeline: Topology) -> None:
    @contextmanager
    def away() -> "Iterator[Client]":
        raise UnavailableError("ClickHouse does not answer")
        yield

    records = gather("approved", lambda: pipeline.broker, away, lambda: None)
    explanation = explain(records)
    assert explanation.words[-1].outcome == "approve"
    assert "ClickHouse does not answer" in explanation.missing[0]
    assert not gather("nobody", lambda: pipeline.broker, away, lambda: None).known


def test_what_the_sink_has_not_stored_yet_is_explained_from_kafka(pipeline: Topology, stored: Client) -> None:
    @contextmanager
    def connected() -> "Iterator[Client]":
        yield stored

    producer = pipeline.broker.producer(None)
    decision = pipeline.decision("fresh", 0.5, domain="loans")
    producer.produce(catalogue.DECISIONS.name, wire.encode("Decision", decision.to_record()), b"fresh")
    producer.flush()
    explanation = explain(gather("fresh", lambda: pipeline.broker, connected, lambda: None))
    assert explanation.status == "open"
    assert "does not have the decision yet" in explanation.missing[0]
