"""What ClickHouse remembers of the inserts that came: the tokens of a table's latest blocks.

The window is shared by all who insert into a table: several topics, partitions and sinks. A token is relied on only
where the blocks that came since surely leave it inside.
"""

import re
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.sinks.roll_ups import ROLL_UPS

_WINDOW = re.compile(r"\b(non_)?replicated_deduplication_window = (\d+)")

# Clocks of replicas differ.
_MARGIN_SECONDS = 60

# Blocks are counted by the rows that are still there, and a chunk over the end of a month is two: half of the window is
# left for what is not seen.
_RELIABLE_SHARE = 0.5

_TABLES = """
SELECT name, engine, create_table_query FROM system.tables
WHERE database = currentDatabase() AND engine LIKE '%MergeTree'
"""

_INSERTED_AT = """
SELECT toUnixTimestamp(min(inserted_at)) FROM {table:Identifier}
WHERE kafka_stream = {stream:String} AND kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}
    AND kafka_chunk_first = {first:UInt64} AND kafka_offset >= {first:UInt64}
"""

# Reading ends as soon as there are too many.
_BLOCKS_SINCE = """
SELECT count() FROM
(
    SELECT DISTINCT kafka_stream, kafka_topic, kafka_partition, kafka_chunk_first, _partition_id
    FROM {table:Identifier} WHERE inserted_at >= toDateTime({since:Int64}) LIMIT {limit:UInt64}
)
"""


def windows(client: Client) -> dict[str, int]:
    """How many blocks each table remembers, as it is set now; 0 for none. Raises ClickHouseError."""
    found = {}
    for name, engine, create in client.query(_TABLES).result_rows:
        replicated = engine.startswith("Replicated")
        sizes = [int(size) for non, size in _WINDOW.findall(create) if bool(non) != replicated]
        found[name] = sizes[0] if sizes else 0
    return found


def replicated_tables(client: Client) -> frozenset[str]:
    """The tables that have replicas. Raises ClickHouseError."""
    return frozenset(name for name, engine, _ in client.query(_TABLES).result_rows if engine.startswith("Replicated"))


def is_remembered(client: Client, table: str, place: dict[str, Any], first: int) -> bool:
    """Whether `table` and its roll-ups surely remember the chunk from offset `first` of the partition `place`, which
    has rows there. Raises ClickHouseError."""
    known = windows(client)
    window = min(known.get(name, 0) for name in (table, *(roll_up.name for roll_up in ROLL_UPS.get(table, ()))))
    limit = int(window * _RELIABLE_SHARE)
    parameters = place | {"table": table, "first": first}
    ((inserted,),) = client.query(_INSERTED_AT, parameters=parameters).result_rows
    since = {"table": table, "since": max(0, inserted - _MARGIN_SECONDS), "limit": limit}
    ((blocks,),) = client.query(_BLOCKS_SINCE, parameters=since).result_rows
    return bool(blocks < limit)
