"""Walks the chains that ClickHouse holds, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from interlock.sinks.rows import TARGETS
from interlock.sinks.trail.leaf import leaves
from interlock.sinks.trail.links import NOT_LINKED
from interlock.sinks.trail.stored import last_rows, shape_of
from interlock.sinks.trail.walk import Chain, Head, Walk

# Rows of one answer: as many as make SHA-256 the larger part, few enough that long ones fit into memory.
_BATCH_ROWS = 8_192

# A batch of long rows is made smaller until it is about that large.
_BATCH_BYTES = 64 * 1024 * 1024

_PLACES = """
SELECT kafka_stream, kafka_topic, kafka_partition, count() FROM {table:Identifier}
GROUP BY kafka_stream, kafka_topic, kafka_partition ORDER BY kafka_stream, kafka_topic, kafka_partition
"""

_PLACE = "kafka_stream = {stream:String} AND kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}"

# WITH TIES: rows of one offset, of which there should be one, are never cut apart.
_ROWS = f"""
SELECT * FROM {{table:Identifier}} WHERE {_PLACE} AND kafka_offset >= {{first:UInt64}}
ORDER BY kafka_stream, kafka_topic, kafka_partition, kafka_offset LIMIT {{limit:UInt32}} WITH TIES
"""

_FIRST_SINCE = f"""
SELECT count(), min(kafka_offset) FROM {{table:Identifier}}
WHERE {_PLACE} AND kafka_timestamp >= fromUnixTimestamp64Milli({{since:Int64}})
"""


# Above every offset.
_NO_END = 2**63


@dataclass(frozen=True, slots=True)
class Extent:
    """A chain and the number of its rows."""

    chain: Chain
    rows: int


def chains(client: Client, topics: Sequence[str] = ()) -> list[Extent]:
    """All chains, of `topics` or of every topic; rows that stand in a table of another topic make chains too.

    Raises ClickHouseError."""
    tables = {target.table for topic, target in TARGETS.items() if not topics or topic in topics}
    found = []
    for table in sorted(tables):
        rows = client.query(_PLACES, parameters={"table": table}).result_rows
        found += [Extent(Chain(table, *place), count) for *place, count in rows if not topics or place[1] in topics]
    return found


def walk(
    client: Client,
    chain: Chain,
    *,
    heads: Sequence[Head] = (),
    expired: datetime | None = None,
    since: datetime | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Walk:
    """Walks one chain. `heads`, `expired`: as for `Walk`. `since`: from the first row on that Kafka took at that time
    or later, or from the last row; the link before it is taken as it is. `progress`: told of every number of rows.

    Raises ClickHouseError."""
    first, previous = (0, None) if since is None else _start(client, chain, since)
    walked = Walk(chain, [head for head in heads if head.offset >= first], previous, expired)
    shape = shape_of(client, chain.table)
    for rows in stored_rows(client, chain, first):
        links = rows["link"].to_pylist()
        walked.take(rows["kafka_offset"].to_pylist(), links, _leaves(rows, links, shape))
        progress(len(rows))
    walked.end()
    return walked


def _start(client: Client, chain: Chain, since: datetime) -> tuple[int, bytes | None]:
    place = (chain.table, chain.stream, chain.topic, chain.partition)
    parameters = _parameters(chain) | {"since": int(since.timestamp() * 1000)}
    ((count, first),) = client.query(_FIRST_SINCE, parameters=parameters).result_rows
    if not count:
        first = max(0, last_rows(client, [(*place, _NO_END)])[0].offset)
    (before,) = last_rows(client, [(*place, first)])
    return first, None if before.offset < 0 else before.link


def stored_rows(client: Client, chain: Chain, first: int) -> Iterator[pa.Table]:
    """The rows of `chain` from offset `first` on, in order, some at a time. Raises ClickHouseError."""
    limit = 1_024
    while True:
        parameters: dict[str, Any] = _parameters(chain) | {"first": first, "limit": limit}
        rows = client.query_arrow(_ROWS, parameters=parameters, use_strings=False)
        if not len(rows):
            return
        yield rows
        if len(rows) < limit:
            return
        first = rows["kafka_offset"][-1].as_py() + 1
        limit = max(1, min(_BATCH_ROWS, 4 * limit, _BATCH_BYTES * len(rows) // max(rows.nbytes, 1)))


def _leaves(rows: pa.Table, links: Sequence[bytes], shape: pa.Schema) -> Sequence[bytes]:
    if all(stored == NOT_LINKED for stored in links):
        return [b""] * len(rows)
    return leaves(rows, shape)


def _parameters(chain: Chain) -> dict[str, Any]:
    return {"table": chain.table, "stream": chain.stream, "topic": chain.topic, "partition": chain.partition}
