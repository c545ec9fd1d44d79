"""ClickHouse as the writer sees it: it inserts chunks, and tells which chunk is the last."""

from collections.abc import Sequence
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.sinks import rows
from interlock.sinks.chunk import Chunk
from interlock.streams.ports import Message, Partition

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

    def last_chunks(self, partitions: Sequence[Partition]) -> dict[Partition, Chunk]:
        """The chunk with the highest offsets of each partition that ClickHouse holds something of.

        Raises as `insert` does."""
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
