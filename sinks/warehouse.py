"""ClickHouse as the writer sees it: it inserts chunks, and tells which chunk is the last."""

from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from interlock.streams.ports import Message

INSERT_SETTINGS: dict[str, Any] = {
    # The default of recent versions is 1: rows are then acknowledged before they are stored.
    "async_insert": 0,
    # Without it a chunk that is sent again is dropped from its table and counted again in the roll-ups.
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    # A producer's broken clock may scatter a chunk over more months than the default allows (100), and a chunk that
    # ClickHouse refuses would hold up its partition for ever.
    "max_partitions_per_insert_block": 0,
}

_LAST_CHUNK = """
SELECT kafka_chunk_first, kafka_chunk_last FROM {table:Identifier}
WHERE kafka_stream = {stream:String} AND kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}
ORDER BY kafka_stream DESC, kafka_topic DESC, kafka_partition DESC, kafka_offset DESC
LIMIT 1
"""


class Warehouse:
    """Inserts under tokens. `stream_ids`: for every topic the id of the log that its offsets count in."""

    def __init__(self, client: Client, stream_ids: dict[str, str]) -> None:
        self._client = client
        self._stream_ids = stream_ids

    def insert(self, chunk: Chunk, messages: Sequence[Message]) -> int:
        """Stores the `messages` of `chunk` and returns how many; harmless if it has been done before.

        Raises ClickHouseError and OSError; whether anything was stored is then unknown.
        """
        if not messages:  # compaction or retention have removed all of a planned chunk
            return 0
        stream = self._stream_ids[chunk.topic]
        settings = INSERT_SETTINGS | {"insert_deduplication_token": chunk.token(stream)}
        table = rows.to_arrow(messages, chunk, stream)
        self._client.insert_arrow(rows.TARGETS[chunk.topic].table, table, settings=settings)
        return len(messages)

    def last_chunk(self, topic: str, partition: int) -> Chunk | None:
        """The chunk with the highest offsets that ClickHouse holds of a partition. Raises as `insert` does."""
        rows_found = self._ask(_LAST_CHUNK, topic, partition)
        return Chunk(topic, partition, *rows_found[0]) if rows_found else None

    def _ask(self, query: str, topic: str, partition: int) -> Sequence[Sequence[Any]]:
        parameters = {
            "table": rows.TARGETS[topic].table,
            "stream": self._stream_ids[topic],
            "topic": topic,
            "partition": partition,
        }
        return self._client.query(query, parameters=parameters).result_rows
