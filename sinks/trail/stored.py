"""What the chains of ClickHouse hold: links by place, and the shape of tables."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from interlock.sinks.trail.leaf import covered
from interlock.sinks.trail.links import NOT_LINKED, beginning

Place = tuple[str, str, str, int]
"""Table, stream, topic and partition."""

# Parameters travel in the URL, some 200 bytes for each partition, and proxies commonly take 8 KB of one.
_PLACES_PER_REQUEST = 30

# The sort key backwards: of each partition ClickHouse reads no more than the end.
_LINK_BEFORE = """(
SELECT {{index_{0}:UInt32}}, kafka_offset, link FROM {{table_{0}:Identifier}}
WHERE kafka_stream = {{stream_{0}:String}} AND kafka_topic = {{topic_{0}:String}}
    AND kafka_partition = {{partition_{0}:UInt32}} AND kafka_offset < {{end_{0}:UInt64}}
ORDER BY kafka_stream DESC, kafka_topic DESC, kafka_partition DESC, kafka_offset DESC
LIMIT 1
)"""

_LINKS = """
SELECT kafka_offset, any(link) FROM {table:Identifier}
WHERE kafka_stream = {stream:String} AND kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}
    AND kafka_offset >= {first:UInt64} AND kafka_offset <= {last:UInt64}
GROUP BY kafka_offset
"""

# Without it a link that is no UTF-8 arrives as text in hexadecimal.
_AS_BYTES: dict[str, str | dict[str, str]] = {"link": "bytes"}


def shape_of(client: Client, table: str) -> pa.Schema:
    """The columns that the trail covers, as ClickHouse gives them back. Raises ClickHouseError."""
    return covered(client.query_arrow(f"SELECT * FROM {table} LIMIT 0", use_strings=False).schema)


class LastRow(NamedTuple):
    """The last row of a chain, or what stands before its first: then the offset is -1."""

    offset: int
    link: bytes


NO_ROW = LastRow(-1, b"")


def last_rows(client: Client, ends: Sequence[tuple[str, str, str, int, int]]) -> list[LastRow]:
    """For each place and offset the last row before it; the chain's beginning where no row is, or only rows of before
    the trail. Raises ClickHouseError and OSError."""
    found: dict[int, LastRow] = {}
    for start in range(0, len(ends), _PLACES_PER_REQUEST):
        asked = ends[start : start + _PLACES_PER_REQUEST]
        parameters: dict[str, Any] = {}
        for index, (table, stream, topic, partition, end) in enumerate(asked):
            parameters |= {
                f"index_{index}": start + index,
                f"table_{index}": table,
                f"stream_{index}": stream,
                f"topic_{index}": topic,
                f"partition_{index}": partition,
                f"end_{index}": end,
            }
        query = "UNION ALL".join(_LINK_BEFORE.format(index) for index in range(len(asked)))
        answer = client.query(query, parameters=parameters, column_formats=_AS_BYTES)
        found.update((index, LastRow(offset, link)) for index, offset, link in answer.result_rows if link != NOT_LINKED)
    return [found.get(index) or LastRow(-1, beginning(*ends[index][1:4])) for index in range(len(ends))]


def links_of(client: Client, table: str, place: dict[str, Any], first: int, last: int) -> dict[int, bytes]:
    """The link of every row from offset `first` to `last`. `place`: stream, topic and partition.

    Raises ClickHouseError and OSError."""
    bounds: dict[str, Any] = {"table": table, "first": first, "last": last}
    answer = client.query(_LINKS, parameters=place | bounds, column_formats=_AS_BYTES)
    return {offset: link for offset, link in answer.result_rows}
