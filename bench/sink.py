"""The sink against inserting the same rows directly, and against itself sealing them, into one embedded ClickHouse."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from bench.decisions import SUBJECTS, decisions
from interlock.encryption.master import KEY_BYTES, LocalMasterKey
from interlock.encryption.sqlite_store import SqliteKeyStore
from interlock.policy.compiled import Treatment
from interlock.policy.vocabulary import Priority, Route, Workflow
from interlock.processors.router import envelope
from interlock.schemas import catalogue, wire
from interlock.sinks import warehouse
from interlock.sinks.chunk import Chunk
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from interlock.sinks.rows import TARGETS, to_arrow
from interlock.sinks.trail.chains import chains, walk
from interlock.sinks.trail.links import LINK_BYTES, NOT_LINKED
from interlock.sinks.writer import SinkSettings, SinkWriter
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec

TOPIC = catalogue.REVIEWS_ASYNC.name

# The same table; its decisions are about fewer subjects.
TOPIC_OF_FEWER = catalogue.REVIEWS_SYNC.name
DECISIONS_PER_SUBJECT = 10
CHUNK = 50_000


def run(
    count: int = 400_000, rounds: int = 3, say: Callable[[str], None] = lambda _: None, *, durable: bool = False
) -> dict[str, Any]:
    """Rows a second of each, and the ratios; medians over alternating rounds. `durable`: tables wait for the disk."""
    direct: list[float] = []
    sink: list[float] = []
    unlinked: list[float] = []
    verified: list[float] = []
    sealing: list[float] = []
    fewer: list[float] = []
    fewer_sealed: list[float] = []
    with tempfile.TemporaryDirectory() as directory, EmbeddedKafka(Path(directory) / "kafka") as kafka:
        broker = KafkaBroker(kafka.bootstrap_servers)
        broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
        _fill(broker, TOPIC, count, SUBJECTS)
        _fill(broker, TOPIC_OF_FEWER, count, count // DECISIONS_PER_SUBJECT)
        for number in range(rounds):
            settings = ServerSettings.private(Path(directory) / f"clickhouse-{number}")
            with EmbeddedClickHouse(settings) as server:
                client = server.client()
                migrate(client, durable=durable)
                with patch.object(warehouse, "linked", _unlinked):
                    unlinked.append(_through_the_sink(broker, client, count, f"unlinked-{number}"))
                client.command("TRUNCATE TABLE routed_decisions")
                sink.append(_through_the_sink(broker, client, count, f"bench-{number}"))
                verified.append(_verified(client))
                client.command("TRUNCATE TABLE routed_decisions")
                keys = _key_store(Path(directory) / f"keys-{number}")
                sealing.append(_through_the_sink(broker, client, count, f"sealing-{number}", keys=keys))
                keys.close()
                client.command("TRUNCATE TABLE routed_decisions")
                topic = TOPIC_OF_FEWER
                fewer.append(_through_the_sink(broker, client, count, f"fewer-{number}", topic))
                client.command("TRUNCATE TABLE routed_decisions")
                keys = _key_store(Path(directory) / f"fewer-{number}")
                fewer_sealed.append(_through_the_sink(broker, client, count, f"fewer-sealing-{number}", topic, keys))
                keys.close()
                client.command("TRUNCATE TABLE routed_decisions")
                direct.append(_directly(broker, client))
                say(
                    f"round {number + 1} of {rounds}: sink {sink[-1]:,.0f} rows/s, sealing {sealing[-1]:,.0f} rows/s, "
                    f"{fewer_sealed[-1]:,.0f} rows/s with {DECISIONS_PER_SUBJECT} a subject, "
                    f"directly {direct[-1]:,.0f} rows/s"
                )
    return {
        "sink_rows_per_second": statistics.median(sink),
        "sealing_rows_per_second": statistics.median(sealing),
        "ratio_of_sealing": _ratio(sealing, sink),
        f"ratio_of_sealing_{DECISIONS_PER_SUBJECT}_a_subject": _ratio(fewer_sealed, fewer),
        "direct_rows_per_second": statistics.median(direct),
        "verified_rows_per_second": statistics.median(verified),
        "ratio_to_no_audit_trail": _ratio(sink, unlinked),
        "ratio_to_direct": _ratio(sink, direct),
    }


def _ratio(mine: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(mine, theirs, strict=True))


def _key_store(path: Path) -> SqliteKeyStore:
    return SqliteKeyStore(path, lambda _: LocalMasterKey(bytes(KEY_BYTES)))


def _fill(broker: KafkaBroker, topic: str, count: int, subjects: int) -> None:
    group = Treatment(Route.ASYNC, ("lane",), Workflow.ESCALATION, Priority.MEDIUM, "underwriting", (), 0.0, None)
    now = time.time_ns() // 1000
    before, after = envelope.encode(
        group, policy_version="v", calibration_version="", audit=False, propensity=1.0, now=now
    )
    producer: Any = broker.producer(None)
    for key, value in decisions(count, subjects=subjects):
        routed = before + b"\0" * 8 + after + value[wire.HEADER_LENGTH :]
        while True:
            try:
                producer.produce(topic, routed, key)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def _through_the_sink(
    broker: KafkaBroker,
    client: Client,
    count: int,
    stream: str,
    topic: str = TOPIC,
    keys: SqliteKeyStore | None = None,
) -> float:
    inserted = 0
    done = threading.Event()

    class Counting:
        """Counts the rows that the sink has inserted."""

        def add(self, name: str, amount: float = 1) -> None:
            nonlocal inserted
            if name == "messages_in":
                inserted += int(amount)
                if inserted >= count:
                    done.set()

        def set(self, name: str, value: float) -> None:
            """Gauges do not matter here."""

    settings = SinkSettings({topic: stream})
    writer = SinkWriter(broker, client, settings, group=stream, topics=[topic], metrics=Counting(), keys=keys)
    while not inserted:
        writer.step()
    first, started = inserted, time.perf_counter()
    writer.run(done)
    return (inserted - first) / (time.perf_counter() - started)


def _unlinked(rows: pa.Table, *_: Any) -> pa.Table:
    """The rows as a sink without an audit trail would store them."""
    links = pa.repeat(pa.scalar(NOT_LINKED, pa.binary(LINK_BYTES)), len(rows))
    return rows.append_column("link", links)


def _verified(client: Client) -> float:
    """Rows a second of a walk along all chains."""
    started, rows = time.perf_counter(), 0
    for extent in chains(client, [TOPIC]):
        found = walk(client, extent.chain)
        assert found.first_break is None
        rows += found.rows
    return rows / (time.perf_counter() - started)


def _directly(broker: KafkaBroker, client: Client) -> float:
    """The same rows, already in memory as Arrow tables, inserted one after the other."""
    consumer: Any = broker.consumer("direct")
    consumer.subscribe([TOPIC])
    messages: list[Any] = []
    while len(messages) < 4 * CHUNK:
        messages += [message for message in consumer.consume(10_000, 1.0) if message.error() is None]
    consumer.close()
    tables = []
    for start in range(0, 4 * CHUNK, CHUNK):
        part = messages[start : start + CHUNK]
        tables.append(to_arrow(part, Chunk(TOPIC, 0, start, start + CHUNK - 1), "direct"))
    table = TARGETS[TOPIC].table
    client.insert_arrow(table, tables[0])
    started = time.perf_counter()
    for rows in tables[1:]:
        client.insert_arrow(table, rows)
    return 3 * CHUNK / (time.perf_counter() - started)
