"""ClickHouse as the writer sees it: it inserts chunks, and tells which it holds."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import KeyStore
from interlock.sinks import deduplication, rows
from interlock.sinks.chunk import Chunk
from interlock.sinks.roll_ups import KAFKA_TIME, ROLL_UPS, Balance, balance, hour_of
from interlock.sinks.trail.links import linked
from interlock.sinks.trail.stored import LastRow, last_rows, links_of, shape_of
from interlock.streams.ports import Message, Partition

log = structlog.get_logger()

INSERT_SETTINGS: dict[str, Any] = {
    # The default of recent versions is 1: rows are then acknowledged before they are stored.
    "async_insert": 0,
    # Without it a chunk that is sent again is dropped from its table and counted again in the roll-ups.
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # A producer's broken clock may scatter a chunk over more months than the default allows (100), and a chunk that
    # ClickHouse refuses would hold up its partition for ever.
    "max_partitions_per_insert_block": 0,
}

# Parameters travel in the URL, some 150 bytes for each partition, and proxies commonly take 8 KB of one.
_PARTITIONS_PER_REQUEST = 40

# The sort key backwards: of each partition ClickHouse reads no more than the end.
_LAST_CHUNK = """(
SELECT kafka_topic, kafka_partition, kafka_chunk_first, kafka_chunk_last FROM {{table_{0}:Identifier}}
WHERE kafka_stream = {{stream_{0}:String}} AND kafka_topic = {{topic_{0}:String}}
    AND kafka_partition = {{partition_{0}:UInt32}}
ORDER BY kafka_stream DESC, kafka_topic DESC, kafka_partition DESC, kafka_offset DESC
LIMIT 1
)"""

# What all raw tables have in common (see migrations/0001); only parts of equal keys can be attached.
LIKE_A_RAW_TABLE = """
ENGINE = MergeTree PARTITION BY toYYYYMM(kafka_timestamp)
ORDER BY (kafka_stream, kafka_topic, kafka_partition, kafka_offset)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is in ClickHouse after a chunk: as many rows of it, and the last one of the partition (see `trail`)."""

    count: int
    last: LastRow


class Warehouse:
    """Inserts under tokens. `stream_ids`: for every topic the id of the log that its offsets count in. `keys`: seal the
    rows."""

    def __init__(self, client: Client, stream_ids: dict[str, str], keys: KeyStore | None = None) -> None:
        self._client = client
        self._keys = keys
        self._stream_ids = stream_ids
        self._replicated: frozenset[str] | None = None
        self._shapes: dict[str, pa.Schema] = {}

    def insert(self, chunk: Chunk, messages: Sequence[Message], previous: LastRow) -> Stored:
        """Stores the `messages` of `chunk`, which follow the row `previous`; harmless if it has been done a
        moment before.

        Raises ClickHouseError and OSError; whether anything was stored is then unknown, and `complete` must be next.
        """
        if not messages:  # compaction or retention may have removed all of a planned chunk
            return Stored(0, previous)
        rows = self._rows(chunk, messages, previous, {})
        self._insert(chunk, rows, chunk.token(self._stream_ids[chunk.topic]))
        return Stored(len(messages), LastRow(rows["kafka_offset"][-1].as_py(), rows["link"][-1].as_py()))

    def complete(self, chunk: Chunk, messages: Sequence[Message], previous: LastRow, *, planned: bool) -> Stored:
        """Stores what is missing of `chunk`, of which anything may be stored already; returns as `insert` does.

        A token alone would not do: a table that has forgotten it doubles rows, and one that kept it and lost its rows
        (a restored backup, a crash between the two) drops them. `planned`: an attempt to insert the chunk may have got
        stuck between the table and its roll-ups. Raises as `insert` does.
        """
        if messages:
            self._complete(chunk, messages, previous, planned=planned)
        # Not as computed here: what an earlier attempt stored stands.
        return Stored(len(messages), self.last_rows([(chunk.topic_partition, chunk.last + 1)])[0])

    def _complete(self, chunk: Chunk, messages: Sequence[Message], previous: LastRow, *, planned: bool) -> None:
        token = chunk.token(self._stream_ids[chunk.topic])
        held = self._links(chunk)
        if self._is_repeatable(chunk, messages, _missing(messages, held), planned=planned):
            self._insert(chunk, self._rows(chunk, messages, previous, held), token)
            held = self._links(chunk)
        missing = _missing(messages, held)
        if not missing:
            return
        rows = self._rows(chunk, missing, previous, held)
        if self._are_counted(chunk, messages, missing):
            log.warning(
                "a table has lost rows that its roll-ups count; storing them in the table alone",
                topic=chunk.topic,
                partition=chunk.partition,
                first=chunk.first,
                last=chunk.last,
                rows=len(missing),
            )
            self._insert_beside_roll_ups(chunk, rows)
        else:
            offsets = ",".join(str(message.offset()) for message in missing)
            self._insert(chunk, rows, f"{token}/{hashlib.sha256(offsets.encode()).hexdigest()[:16]}")

    def last_rows(self, ends: Sequence[tuple[Partition, int]]) -> list[LastRow]:
        """For each partition its last row before that offset, or the beginning of its chain.

        Raises as `insert` does."""
        places = [(rows.TARGETS[topic].table, self._stream_ids[topic], topic, number) for (topic, number), _ in ends]
        return last_rows(self._client, [(*place, end) for place, (_, end) in zip(places, ends, strict=True)])

    def last_chunks(self, partitions: Sequence[Partition]) -> dict[Partition, Chunk]:
        """The chunk with the highest offsets of each partition that ClickHouse holds something of.

        Raises as `insert` does."""
        self._catch_up({rows.TARGETS[topic].table for topic, _ in partitions})
        found: dict[Partition, Chunk] = {}
        for start in range(0, len(partitions), _PARTITIONS_PER_REQUEST):
            asked = partitions[start : start + _PARTITIONS_PER_REQUEST]
            parameters: dict[str, Any] = {}
            for index, (topic, number) in enumerate(asked):
                parameters |= {
                    f"table_{index}": rows.TARGETS[topic].table,
                    f"stream_{index}": self._stream_ids[topic],
                    f"topic_{index}": topic,
                    f"partition_{index}": number,
                }
            query = "UNION ALL".join(_LAST_CHUNK.format(index) for index in range(len(asked)))
            for topic, number, first, last in self._client.query(query, parameters=parameters).result_rows:
                found[topic, number] = Chunk(topic, number, first, last)
        return found

    def _is_repeatable(
        self, chunk: Chunk, messages: Sequence[Message], missing: Sequence[Message], *, planned: bool
    ) -> bool:
        """Whether the whole chunk may be sent under its token, and there is a reason to."""
        if len(missing) == len(messages):
            return not self._are_counted(chunk, messages, missing)
        table = rows.TARGETS[chunk.topic].table
        incomplete = bool(missing) or any(found.surplus < 0 for found in self._balances(chunk, messages))
        return (
            planned and incomplete and deduplication.is_remembered(self._client, table, self._place(chunk), chunk.first)
        )

    def _are_counted(self, chunk: Chunk, messages: Sequence[Message], missing: Sequence[Message]) -> bool:
        """Whether all roll-ups count at least as many records too many as the table lacks: it alone lost them."""
        balances = self._balances(chunk, messages)
        return bool(balances) and min(found.surplus for found in balances) >= len(missing)

    def _balances(self, chunk: Chunk, messages: Sequence[Message]) -> list[Balance]:
        """The roll-ups by time against their table, over the hours of `messages`."""
        times = [message.timestamp()[1] for message in messages]
        since, before = hour_of(min(times)), hour_of(max(times)) + timedelta(hours=1)
        return [
            balance(self._client, roll_up, chunk.topic, since, before)
            for roll_up in ROLL_UPS.get(rows.TARGETS[chunk.topic].table, ())
            if roll_up.time == KAFKA_TIME
        ]

    def _links(self, chunk: Chunk) -> dict[int, bytes]:
        """The links of the rows that are there of `chunk`, by offset."""
        table = rows.TARGETS[chunk.topic].table
        self._catch_up([table])
        return links_of(self._client, table, self._place(chunk), chunk.first, chunk.last)

    def _rows(
        self, chunk: Chunk, messages: Sequence[Message], previous: LastRow, held: Mapping[int, bytes]
    ) -> pa.Table:
        table = rows.TARGETS[chunk.topic].table
        if table not in self._shapes:
            self._shapes[table] = shape_of(self._client, table)
        content = rows.to_arrow(messages, chunk, self._stream_ids[chunk.topic], self._keys)
        return linked(content, self._shapes[table], previous.link, held).combine_chunks()

    def _place(self, chunk: Chunk) -> dict[str, Any]:
        return {"stream": self._stream_ids[chunk.topic], "topic": chunk.topic, "partition": chunk.partition}

    def _insert(self, chunk: Chunk, content: pa.Table, token: str) -> None:
        settings = INSERT_SETTINGS | {"insert_deduplication_token": token}
        self._client.insert_arrow(rows.TARGETS[chunk.topic].table, content, settings=settings)

    def _insert_beside_roll_ups(self, chunk: Chunk, content: pa.Table) -> None:
        """Into the table, but not into the roll-ups: materialised views do not see parts that are attached."""
        table = rows.TARGETS[chunk.topic].table
        beside = f"{table}_{chunk.partition}_{chunk.first}_attached"
        self._client.command(f"DROP TABLE IF EXISTS {beside} SYNC")
        self._client.command(f"CREATE TABLE {beside} AS {table} {LIKE_A_RAW_TABLE}")
        self._client.insert_arrow(beside, content, settings=INSERT_SETTINGS)
        parts = self._client.query(f"SELECT DISTINCT _partition_id FROM {beside}").result_rows
        for (part,) in parts:
            self._client.command(f"ALTER TABLE {table} ATTACH PARTITION ID '{part}' FROM {beside}")
        self._client.command(f"DROP TABLE {beside} SYNC")

    def _catch_up(self, tables: Iterable[str]) -> None:
        """On a replica, waits for what other replicas have taken: what is on its way would look as if it were lost."""
        if self._replicated is None:
            self._replicated = deduplication.replicated_tables(self._client)
        for table in self._replicated.intersection(tables):
            self._client.command(f"SYSTEM SYNC REPLICA {table}")


def _missing(messages: Sequence[Message], held: Mapping[int, bytes]) -> list[Message]:
    return [message for message in messages if message.offset() not in held]
