"""Resolutions as ClickHouse has stored them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from interlock.client.found import CONTENT, Found, found_resolution, found_routed
from interlock.schemas import avro_schemas, catalogue
from interlock.sinks.sealed_columns import COLUMNS, KEY_COLUMN, OPENING
from interlock.streams.ports import Partition

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as ClickHouseClient

    from interlock.encryption.keys import KeyStore

# Ascending: of one decision the last row holds.
_RESOLUTIONS = """
SELECT {columns} FROM resolutions
WHERE decision_id IN {{ids:Array(String)}} AND error = '' AND NOT tombstone
ORDER BY version, kafka_timestamp, kafka_offset
"""

# Descending: a repetition does not replace the first.
_AUTO = """
SELECT {columns} FROM routed_decisions
WHERE decision_id IN {{ids:Array(String)}} AND kafka_topic = {{topic:String}} AND error = ''
ORDER BY kafka_timestamp DESC, kafka_offset DESC
"""

# The index on the time makes this cheap. A partition without a row of late is read with the second query: all of its
# offsets, some bytes for a thousand of them. Where a topic was deleted and created again, a partition has several logs,
# and that with the last row counts.
_RECENT_ENDS = """
SELECT kafka_partition, max(kafka_offset) + 1 FROM {table:Identifier}
WHERE kafka_topic = {topic:String} AND kafka_partition IN {partitions:Array(UInt32)}
    AND kafka_timestamp > now() - INTERVAL 10 MINUTE
GROUP BY kafka_partition, kafka_stream
ORDER BY max(kafka_timestamp)
"""
_ENDS = _RECENT_ENDS.replace("    AND kafka_timestamp > now() - INTERVAL 10 MINUTE\n", "")

_SEALED = frozenset(COLUMNS["routed_decisions"].sealed)

_TABLES = {catalogue.RESOLUTIONS.name: "resolutions", catalogue.AUTO_APPROVED.name: "routed_decisions"}


class StoredResolutions:
    """Questions to the tables of the sink; not for several threads at once."""

    def __init__(self, client: "ClickHouseClient", keys: "KeyStore | None" = None) -> None:
        """`keys`: open what is sealed."""
        self._client = client
        self._keys = keys

    def find(self, decision_ids: Collection[str]) -> Found:
        """What holds for those of the decisions that have a resolution there; without words and changed fields where
        those were erased.

        Raises ClickHouse's errors, and SealedContentError where somebody wrote words or changed fields that this
        process has no keys to read."""
        found: Found = {}
        envelope = [field["name"] for field in avro_schemas.parsed("RoutedDecision")["fields"]]
        outer = [name for name in envelope if name != "decision"]
        inner = ["decision_id", *CONTENT]
        for row in self._rows(_AUTO, [*outer, *inner, KEY_COLUMN], decision_ids, topic=catalogue.AUTO_APPROVED.name):
            record = {name: row[name] for name in outer} | {"decision": {name: row[name] for name in inner}}
            routed = found_routed(record)
            # Of what is sealed nothing is known: it contradicts nothing.
            known = {
                name: value for name, value in routed.content.items() if not row[KEY_COLUMN] or name not in _SEALED
            }
            found[row["decision_id"]] = replace(routed, content=known)
        columns = [field["name"] for field in avro_schemas.parsed("Resolution")["fields"]]
        rows = list(self._rows(_RESOLUTIONS, [*columns, OPENING], decision_ids))
        for row in self._opened(rows) if any(row[KEY_COLUMN] for row in rows) else rows:
            found[row["decision_id"]] = found_resolution(row)
        return found

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset after the last record that is stored, of the partitions that have any. Raises as `find` does."""
        wanted = set(partitions)
        ends: dict[Partition, int] = {}
        for query in (_RECENT_ENDS, _ENDS):
            for topic, table in _TABLES.items():
                numbers = [number for name, number in wanted - ends.keys() if name == topic]
                if numbers:
                    asked = {"table": table, "topic": topic, "partitions": numbers}
                    rows = self._client.query(query, parameters=asked).result_rows
                    ends |= {(topic, number): end for number, end in rows}
        return ends

    def _opened(self, rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        from interlock.sinks.opening import (  # most clients have no keys, and not what opens with them
            opened,
            unreadable,
        )

        read = opened(self._keys, "resolutions", rows)
        if read.unreadable and self._keys is None:
            raise unreadable(read.unreadable[0], None)
        return read.rows

    def _rows(
        self, query: str, columns: list[str], decision_ids: Collection[str], **parameters: str
    ) -> Iterable[Mapping[str, Any]]:
        """With times in UTC."""
        text = query.format(columns=", ".join(columns))
        asked = {"ids": list(decision_ids), **parameters}
        return self._client.query(text, parameters=asked, tz_mode="aware").named_results()
