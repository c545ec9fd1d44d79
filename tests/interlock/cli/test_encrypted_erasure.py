"""A person whose decision was encrypted before Kafka is erased from a running instance, of which everything is then
searched: every record of every topic, the files of Kafka, the tables of ClickHouse, and an export."""

import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from interlock.schemas.catalogue import TOPICS
from tests.crash.test_kill_everything import wait_until
from tests.running_instance import Instance

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse]

POLICY = """
name: sealed
domains:
  sealed:
    models: [m]
    outcomes: [approve, reject]
    attributes: {town: string}
    lanes: {approve: {auto: 0.99}}
"""

# What could tell of the person; each of it stands in another field of the decision.
SUBJECT = "subject-aurelia-4711"
PERSONAL = (SUBJECT, "aurelia-file", "aurelia-town", "aurelia-reasoning", "aurelia-before")


def _decision(decision_id: str) -> dict[str, Any]:
    return {
        "decision_id": decision_id,
        "domain": "sealed",
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": 0.9,
        "subject_id": SUBJECT,
        "input": json.dumps({"file": "aurelia-file"}),
        "attributes": {"town": "aurelia-town"},
        "explanation": {"reasoning": "aurelia-reasoning"},
        "history": {
            "previous_decisions": [
                {"decision_id": "earlier", "outcome": "aurelia-before", "decided_at": "2026-01-01T00:00:00Z"}
            ]
        },
    }


def _records(instance: Instance) -> Iterator[bytes]:
    """Keys, values and headers of every record of every topic, as Kafka decompresses them."""
    broker = instance.platform.serving_kafka()
    with closing(broker.consumer("erasure-search")) as consumer:
        found = [
            TopicPartition(topic.name, number, OFFSET_BEGINNING)
            for topic in TOPICS
            for number in broker.end_offsets(topic.name)
        ]
        consumer.assign(found)
        quiet = 0
        # Markers of transactions are no records: a topic is read when nothing comes any more.
        while quiet < 3:
            messages = consumer.consume(10_000, 1.0)
            quiet = 0 if messages else quiet + 1
            for message in messages:
                yield message.key() or b""
                yield message.value() or b""
                yield from (value for _, value in message.headers() or [] if isinstance(value, bytes))


def _in_kafka(instance: Instance) -> set[str]:
    read = b"\n".join(_records(instance))
    return {text for text in PERSONAL if text.encode() in read}


def _in_tables(instance: Instance) -> set[str]:
    with closing(instance.platform.clickhouse(analyst=True)) as client:
        tables = client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        )
        read = b"".join(client.raw_query(f"SELECT * FROM {name}", fmt="RowBinary") for (name,) in tables.result_rows)
    return {text for text in PERSONAL if text.encode() in read}


def _in_files(directory: Path) -> dict[str, set[str]]:
    """By file: what stands there as it is."""
    found = {}
    for path in directory.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # merged or rolled meanwhile
            continue
        texts = {text for text in PERSONAL if text.encode() in content}
        if texts:
            found[str(path)] = texts
    return found


def _in_export(instance: Instance, path: Path) -> set[str]:
    instance.run("audit", "export", "sealed-1", "--out", str(path))
    with zipfile.ZipFile(path) as archive:
        read = b"".join(archive.read(name) for name in archive.namelist())
    return {text for text in PERSONAL if text.encode() in read}


def test_after_an_erase_nothing_tells_of_the_person_and_the_trail_is_whole(
    local_instance: Instance, tmp_path: Path
) -> None:
    policy, file = tmp_path / "sealed.yaml", tmp_path / "sealed.jsonl"
    policy.write_text(POLICY)
    local_instance.run("policy", "publish", str(policy))
    file.write_text(json.dumps(_decision("sealed-1")) + "\n")
    producer = Instance(local_instance.directory, {"INTERLOCK_ENCRYPTION__KAFKA_ATTRIBUTES": '["town"]'})
    producer.run("produce", str(file), "--encrypt")
    local_instance.run("reviewers", "add", "ann", "--name", "Ann")
    local_instance.run("reviewers", "on-duty", "ann")
    wait_until(lambda: "task arrived" in local_instance.events("sealed-1"), "the task has arrived")
    local_instance.run("review", "next", "--task", "sealed-1", "--as", "ann")
    local_instance.run("review", "approve", "sealed-1", "-r", "agree", "-m", "papers are complete", "--as", "ann")
    wait_until(lambda: "resolution" in local_instance.events("sealed-1"), "the decision of ann is stored")
    assert "aurelia-reasoning" in local_instance.run("explain", "sealed-1").stdout
    assert _in_kafka(local_instance) == set()
    assert _in_tables(local_instance) == set()

    erased = local_instance.json("audit", "erase", SUBJECT, "--reason", "request 88", "--by", "dpo")
    assert erased["decisions"] == 1
    assert "aurelia" not in local_instance.run("explain", "sealed-1").stdout
    wait_until(lambda: local_instance.json("audit", "verify")["ok"], "the trail is signed and whole")
    assert _in_export(local_instance, tmp_path / "trail.zip") == set()
    assert _in_files(local_instance.directory) == {}

    # The search can fail: without encryption Kafka's topics have all of it.
    file.write_text(json.dumps(_decision("sealed-2")) + "\n")
    local_instance.run("produce", str(file))
    wait_until(lambda: "routed" in local_instance.events("sealed-2"), "the second decision is stored")
    assert _in_kafka(local_instance) == set(PERSONAL)
    assert _in_tables(local_instance) == set()
