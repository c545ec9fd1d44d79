"""Schemas that a process does not have, from the topic of a real Kafka."""

import json
from uuid import uuid4

import pytest

from interlock.schemas import catalogue, written
from interlock.schemas.avro_schemas import lock
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.schema_topic import SchemaTopic, entry, read, record, record_own

SCHEMA = json.dumps({"type": "record", "name": "Later", "namespace": "interlock", "fields": []})


@pytest.mark.kafka
def test_whoever_reads_with_a_broker_finds_what_was_recorded_there(kafka: EmbeddedKafka) -> None:
    broker = KafkaBroker(kafka.bootstrap_servers)
    broker.create_topics([TopicSpec(catalogue.SCHEMAS.name, 1, catalogue.SCHEMAS.config())])
    key = written.key_of(uuid4().int % 1_000_000 + 1_000)
    record(broker, [entry(key, SCHEMA, origin="prepare", version=2)])
    source = written.source()
    assert isinstance(source, SchemaTopic)
    assert source.find(key) == SCHEMA
    assert source.find(f"{key}0") is None
    assert KafkaBroker(kafka.bootstrap_servers) is not None
    assert written.source() is source


def test_preparing_records_every_pinned_version_once() -> None:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(catalogue.SCHEMAS.name, 1)])
    assert len(record_own(broker)) == len(lock())
    assert record_own(broker) == []
    found = {one["id"]: one for one in read(broker)}
    assert {key: (one["name"], one["version"], one["schema"]) for key, one in found.items()} == {
        written.key_of(number): (f"interlock.{version.name}", version.number, version.text)
        for number, version in lock().items()
    }


def test_without_the_topic_nothing_is_known_and_nothing_fails() -> None:
    assert SchemaTopic(MemoryBroker()).find("interlock/99") is None
