"""What must hold of every decision that was sent, checked without the code that is to be checked.

Topics are read with the plain client, records with fastavro and the schema files, tables over HTTP. Nothing of the
sink, of its ledger or of `interlock reconcile` is used here.
"""

import json
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

SCHEMAS = Path(__file__).parents[2] / "schemas" / "avro"

ROUTES = ("decisions.auto-approved", "reviews.async", "reviews.sync", "reviews.manual", "decisions.shadow")
TABLES = {
    "decisions": "decisions",
    **dict.fromkeys(ROUTES[:4], "routed_decisions"),
    "dead-letter": "dead_letters",
}

# A broker that has just been killed may be electing leaders.
SILENCE_SECONDS = 60.0

# The end of a partition does not end a call that still wants messages.
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Record:
    partition: int
    offset: int
    key: str
    value: bytes
    headers: dict[str, bytes]


def read(bootstrap_servers: str, topic: str) -> list[Record]:
    """The committed records of a topic, up to its present end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "independent-check",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=SILENCE_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        unread, records, silent = set(partitions), [], 0
        while unread:
            messages = consumer.consume(10_000, POLL_SECONDS)
            silent = 0 if messages else silent + 1
            assert silent * POLL_SECONDS < SILENCE_SECONDS, f"{topic} {sorted(unread)} could not be read to the end"
            for message in messages:
                error = message.error()
                if error is None:
                    records.append(_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition())
                else:
                    raise AssertionError(error.str())
        return records
    finally:
        consumer.close()


def _record(message: Any) -> Record:
    headers = {name: value or b"" for name, value in message.headers() or ()}
    key = (message.key() or b"").decode(errors="replace")
    return Record(message.partition(), message.offset(), key, message.value() or b"", headers)


def _schema(name: str) -> Any:
    named: dict[str, Any] = {}
    for dependency in ("Decision", name):
        schema = json.loads((SCHEMAS / f"{dependency}.avsc").read_text())
        parsed = fastavro.parse_schema(schema, named_schemas=named)
    return parsed


def wrong_decisions(bootstrap_servers: str, sent: Collection[str], contradictions: Mapping[str, int]) -> list[str]:
    """Every violation of: one route or one dead letter for each id in `sent`, and one dead letter with the reason
    `contradiction` for each sending of other content, as `contradictions` counts them. At most twenty are told."""
    routed = _schema("RoutedDecision")
    words: dict[str, list[str]] = defaultdict(list)
    effective: dict[str, bytes] = {}
    problems = []
    for topic in ROUTES:
        for record in read(bootstrap_servers, topic):
            if topic == ROUTES[0]:
                effective[record.key] = record.value
            if topic == "reviews.async" and record.key in effective:
                fields: Any = fastavro.schemaless_reader(BytesIO(record.value[5:]), routed, None)
                if (fields["audit"] or fields["override_until"]) and record.value == effective.pop(record.key):
                    continue
            words[record.key].append(topic)
    refused: Counter[str] = Counter()
    for record in read(bootstrap_servers, "dead-letter"):
        reason = record.headers["__streams.errors.exception"]
        if reason == b"contradiction":
            refused[record.key] += 1
        else:
            words[record.key].append(f"dead letter {reason!r}")
    for decision_id in sorted(set(sent) | words.keys()):
        if len(words[decision_id]) != 1:
            problems.append(f"{decision_id} is in {words[decision_id]}")
    for decision_id in sorted(refused.keys() | contradictions.keys()):
        if refused[decision_id] != contradictions.get(decision_id, 0):
            problems.append(
                f"{decision_id}: {refused[decision_id]} contradictions, sent {contradictions.get(decision_id, 0)}"
            )
    return problems[:20]


def wrong_versions(bootstrap_servers: str) -> list[str]:
    """Decisions whose resolutions are not numbered 1, 2, 3 …, and actions that are there twice."""
    schema = _schema("Resolution")
    versions: dict[str, list[int]] = defaultdict(list)
    for record in read(bootstrap_servers, "resolutions"):
        if record.value:
            fields: Any = fastavro.schemaless_reader(BytesIO(record.value[5:]), schema, None)
            versions[record.key].append(fields["version"])
    # The topic is compacted: the first ones may be gone, but none is there twice or out of order.
    problems = [f"{name} has versions {found}" for name, found in versions.items() if found != sorted(set(found))]
    action = _schema("Action")
    ids = Counter(
        fastavro.schemaless_reader(BytesIO(record.value[5:]), action, None)["action_id"]  # type: ignore[index, call-overload]
        for record in read(bootstrap_servers, "actions")
    )
    problems += [f"action {name} is there {count} times" for name, count in ids.items() if count > 1]
    return problems[:20]


def wrong_rows(bootstrap_servers: str, clickhouse: str, user: str, password: str) -> list[str]:
    """Partitions whose rows in ClickHouse are not exactly the committed records of Kafka."""
    problems = []
    for topic, table in TABLES.items():
        expected: dict[int, list[int]] = defaultdict(list)
        for record in read(bootstrap_servers, topic):
            expected[record.partition].append(record.offset)
        query = (
            f"SELECT kafka_partition, groupArray(kafka_offset) AS offsets FROM {table} "
            f"WHERE kafka_topic = '{topic}' GROUP BY kafka_partition FORMAT JSONCompact"
        )
        answer = json.loads(_ask(clickhouse, query, user, password))
        found = {int(partition): sorted(map(int, offsets)) for partition, offsets in answer["data"]}
        for partition in sorted(expected.keys() | found.keys()):
            if sorted(expected[partition]) != found.get(partition, []):
                doubled = [offset for offset, rows in Counter(found.get(partition, [])).items() if rows > 1]
                missing = sorted(set(expected[partition]) - set(found.get(partition, [])))
                problems.append(
                    f"{topic}[{partition}]: {len(missing)} rows missing ({missing[:3]}), {len(doubled)} doubled "
                    f"({doubled[:3]})"
                )
    return problems


def _ask(clickhouse: str, query: str, user: str, password: str) -> bytes:
    headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
    request = urllib.request.Request(clickhouse, query.encode(), headers)
    with urllib.request.urlopen(request, timeout=SILENCE_SECONDS) as answer:
        body: bytes = answer.read()
        return body
