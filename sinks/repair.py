"""Makes ClickHouse equal to what Kafka still holds: fills in missing rows, removes doubled ones, rebuilds roll-ups.

The sink must be stopped, so that nobody else writes. Every step looks at what there is and does what is left to do: a
repair that was cut short is simply run again, and one that finds nothing wrong changes nothing.

* **Missing rows** are read from Kafka and inserted, with the links that they had (see `trail`): whether the row behind
  them agrees, `interlock audit verify` tells.
* **Doubled rows**: one of each is put into a table aside, all of them are deleted, and the ones aside are attached. A
  repair that dies in between leaves the table aside, and the next one takes the rows back from it.
* **Roll-ups** are states that nothing can be subtracted from. From the oldest hour that Kafka still holds on their rows
  are deleted and made again from the table, day by day, by the query of the view that fills them.

Rows with offsets that Kafka does not have between those that it has are left alone and reported: if it was Kafka that
lost them, they are the last copy.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from interlock.encryption.keys import KeyStore
from interlock.errors import InterlockError
from interlock.schemas import catalogue
from interlock.sinks import ledger
from interlock.sinks.chunk import Chunk
from interlock.sinks.ledger import PartitionCheck, Tally
from interlock.sinks.roll_ups import ROLL_UPS, RollUp, balance, hour_of
from interlock.sinks.rows import TARGETS, to_arrow
from interlock.sinks.trail.links import linked
from interlock.sinks.trail.stored import last_rows, links_of, shape_of
from interlock.sinks.warehouse import INSERT_SETTINGS, LIKE_A_RAW_TABLE
from interlock.streams.offsets import committed_offsets
from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import read_range, read_topic

Offsets = NDArray[np.uint64]

# As the sink: one insert.
_MAX_ROWS, _MAX_BYTES = 50_000, 8 * 1024 * 1024

# Offsets named in one statement: some 100 KB of the 256 KB that ClickHouse parses.
_NAMED_OFFSETS = 10_000

# Offsets compared at once, as in `ledger`.
_SLICE_SIZE = 1_000_000

_PLACE = "kafka_stream = {stream:String} AND kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}"

_HELD = f"""
SELECT kafka_offset, count() FROM {{table:Identifier}}
WHERE {_PLACE} AND kafka_offset >= {{first:UInt64}} AND kafka_offset < {{end:UInt64}} GROUP BY kafka_offset
"""


class SinkRunningError(InterlockError):
    """The sink runs; what it writes and what is repaired would get into each other's way."""


@dataclass(slots=True)
class Repair:
    """What was done. `filled`: rows inserted from Kafka. `removed`: rows that stood there once too often. `rebuilt`:
    the roll-ups made again."""

    filled: int = 0
    removed: int = 0
    rebuilt: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def repair(
    broker: Broker,
    client: Client,
    *,
    partitions: Mapping[str, int],
    stream_ids: Mapping[str, str],
    sink_members: Callable[[], int],
    sink_group: str = catalogue.SINK_GROUP,
    keys: KeyStore | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Repair:
    """Repairs what lies before the sink's committed offsets. `partitions`, `stream_ids`: as for `reconcile`.
    `sink_members`: how many sinks are in the group. `keys`: seal what is filled in.
    `say`: told of every step.

    Raises SinkRunningError, KafkaException and ClickHouseError; it can then be run again.
    """
    work = _Work(broker, client, dict(stream_ids), sink_members, keys, say)
    work.check_stopped()
    partitions = {topic: count for topic, count in partitions.items() if topic in TARGETS}
    for table in sorted({TARGETS[topic].table for topic in partitions}):
        work.take_back(table)
    inserted = committed_offsets(broker, sink_group, partitions)
    since: dict[str, datetime] = {}
    wrong: dict[RollUp, dict[str, datetime]] = {}
    for topic, count in partitions.items():
        say(f"comparing {topic}")
        tally = Tally(topic, {number: inserted[topic, number] for number in range(count)})
        for messages in read_topic(broker, topic):
            tally.add(messages)
        checks = ledger.check_partitions(client, tally, stream_ids.get(topic, ""))
        changed = [work.mend(check, tally.of_partition(check.partition)) for check in checks if not check.ok]
        if tally.oldest_ms is None:
            continue
        since[topic] = hour_of(tally.oldest_ms)
        for roll_up in ROLL_UPS.get(TARGETS[topic].table, ()):
            if any(changed) or not balance(client, roll_up, topic, since[topic]).ok:
                wrong.setdefault(roll_up, {})[topic] = since[topic]
    for roll_up, topics in wrong.items():
        work.rebuild(roll_up, topics)
    return work.done


class _Work:
    """The steps of a repair, and what they have done so far."""

    def __init__(
        self,
        broker: Broker,
        client: Client,
        stream_ids: dict[str, str],
        sink_members: Callable[[], int],
        keys: KeyStore | None,
        say: Callable[[str], None],
    ) -> None:
        self._broker = broker
        self._client = client
        self._stream_ids = stream_ids
        self._sink_members = sink_members
        self._keys = keys
        self._say = say
        self.done = Repair()

    def check_stopped(self) -> None:
        """Raises SinkRunningError."""
        members = self._sink_members()
        if members:
            raise SinkRunningError(
                f"{members} {'sink is' if members == 1 else 'sinks are'} in the consumer group: stop the sink, then "
                f"run this again (Kafka takes up to a minute to notice that a process was killed). Nothing is lost "
                f"meanwhile: the sink goes on where it was."
            )

    # Tables

    def mend(self, check: PartitionCheck, in_kafka: Offsets) -> bool:
        """Makes the rows of one partition those of `in_kafka`, its offsets in order; returns whether any were wrong."""
        place = {
            "stream": self._stream_ids[check.topic],
            "topic": check.topic,
            "partition": check.partition,
            "table": check.table,
        }
        changed = False
        end = check.inserted
        first = 0 if catalogue.BY_NAME[check.topic].is_compacted or not len(in_kafka) else int(in_kafka[0])
        for start in range(first, end, _SLICE_SIZE):
            bounds = {"first": start, "end": min(start + _SLICE_SIZE, end)}
            found = self._client.query(_HELD, parameters=place | bounds).result_rows
            doubled = np.array(sorted(offset for offset, count in found if count > 1), dtype=np.uint64)
            if len(doubled):
                self._remove_doubles(place, doubled, sum(count - 1 for _, count in found))
            held = np.array([offset for offset, _ in found], dtype=np.uint64)
            here = in_kafka[(in_kafka >= bounds["first"]) & (in_kafka < bounds["end"])]
            missing = np.setdiff1d(here, held)
            if len(missing):
                self._fill(check, missing)
            changed = changed or bool(len(doubled) or len(missing))
        return changed

    def _fill(self, check: PartitionCheck, missing: Offsets) -> None:
        self._say(f"filling {len(missing)} rows of {check.topic} {check.partition} into {check.table}")
        wanted = set(missing.tolist())
        partition, stream = (check.topic, check.partition), self._stream_ids[check.topic]
        place = {"stream": stream, "topic": check.topic, "partition": check.partition}
        shape = shape_of(self._client, check.table)
        span = ({partition: int(missing[0])}, {partition: int(missing[-1]) + 1})
        read = (message for message in read_range(self._broker, *span) if message.offset() in wanted)
        for messages in _chunks(read):
            self.check_stopped()
            chunk = Chunk(*partition, messages[0].offset(), messages[-1].offset())
            rows = linked(
                to_arrow(messages, chunk, stream, self._keys),
                shape,
                last_rows(self._client, [(check.table, stream, *partition, chunk.first)])[0].link,
                links_of(self._client, check.table, place, chunk.first, chunk.last),
            )
            self._client.insert_arrow(check.table, rows.combine_chunks(), settings=_once())
            self.done.filled += len(messages)

    def _remove_doubles(self, place: dict[str, Any], doubled: Offsets, count: int) -> None:
        table, aside = place["table"], _aside(place["table"])
        self._say(f"removing {count} doubled rows of {place['topic']} {place['partition']} from {table}")
        for start in range(0, len(doubled), _NAMED_OFFSETS):
            self.check_stopped()
            named = ",".join(map(str, doubled[start : start + _NAMED_OFFSETS].tolist()))
            these = f"{_PLACE} AND kafka_offset IN ({named})"
            self._client.command(f"DROP TABLE IF EXISTS {aside} SYNC")
            self._client.command(f"CREATE TABLE {aside} AS {table} {LIKE_A_RAW_TABLE}")
            self._client.command(
                f"INSERT INTO {aside} SELECT * FROM {table} WHERE {these} LIMIT 1 BY kafka_offset",
                parameters=place,
                settings=INSERT_SETTINGS,
            )
            self._client.command(f"DELETE FROM {table} WHERE {these}", parameters=place, settings=_WAIT)
            self._attach(table, aside)
        self.done.removed += count

    def take_back(self, table: str) -> None:
        """Takes rows back that a repair which was cut short had put aside."""
        aside = _aside(table)
        if not self._client.query(f"EXISTS TABLE {aside}").result_rows[0][0]:
            return
        self._say(f"taking back what an earlier repair put aside of {table}")
        position = "(kafka_stream, kafka_topic, kafka_partition, kafka_offset)"
        # What was not deleted yet, or is attached already, is in the table.
        self._client.command(
            f"DELETE FROM {aside} WHERE {position} IN (SELECT {position} FROM {table} WHERE kafka_offset BETWEEN "
            f"(SELECT min(kafka_offset) FROM {aside}) AND (SELECT max(kafka_offset) FROM {aside}))",
            settings=_WAIT,
        )
        # Deleted rows are only marked, and would be attached as well.
        self._client.command(f"OPTIMIZE TABLE {aside} FINAL SETTINGS mutations_sync = 2")
        self._attach(table, aside)

    def _attach(self, table: str, aside: str) -> None:
        for (part,) in self._client.query(f"SELECT DISTINCT _partition_id FROM {aside}").result_rows:
            self._client.command(f"ALTER TABLE {table} ATTACH PARTITION ID '{part}' FROM {aside}")
        self._client.command(f"DROP TABLE {aside} SYNC")

    # Roll-ups

    def rebuild(self, roll_up: RollUp, topics: Mapping[str, datetime]) -> None:
        """Makes the records of each of `topics` anew, from the hour given with it on."""
        self.check_stopped()
        ((query,),) = self._client.query(
            "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = {view:String}",
            parameters={"view": roll_up.view},
        ).result_rows
        names = self._client.query(
            "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
            "ORDER BY position",
            parameters={"table": roll_up.name},
        ).result_rows
        columns = ", ".join(name for (name,) in names)
        for topic, since in topics.items():
            parameters = {"topic": topic, "since": f"{since:%Y-%m-%d %H:%M:%S}"}
            mine = "kafka_topic = {topic:String} AND " if roll_up.by_topic else ""
            these = f"{mine}{roll_up.bucket} >= {{since:DateTime('UTC')}}"
            self._client.command(f"DELETE FROM {roll_up.name} WHERE {these}", parameters=parameters, settings=_WAIT)
            days = self._client.query(
                f"SELECT DISTINCT toDate({roll_up.time}) AS day FROM {roll_up.table} "
                f"WHERE {mine}{roll_up.time} >= {{since:DateTime('UTC')}} ORDER BY day",
                parameters=parameters,
            ).result_rows
            for (day,) in days:
                self._say(f"rebuilding {roll_up.name}, {topic}, {day}")
                of_day = f"{these} AND {roll_up.bucket} >= '{day}' AND {roll_up.bucket} < '{day + timedelta(days=1)}'"
                self._client.command(
                    f"INSERT INTO {roll_up.name} ({columns}) SELECT {columns} FROM ({query}) WHERE {of_day}",
                    parameters=parameters,
                    settings=_once(),
                )
        self.done.rebuilt.append(roll_up.name)


# Rows that a DELETE marks are gone, on all replicas, when it returns.
_WAIT = {"lightweight_deletes_sync": 2}


def _once() -> dict[str, Any]:
    """Settings of an insert that was not there before, even if its rows were."""
    return INSERT_SETTINGS | {"insert_deduplication_token": f"repair/{uuid4()}"}


def _aside(table: str) -> str:
    return f"{table}_repair"


def _chunks(messages: Iterator[Message]) -> Iterator[Sequence[Message]]:
    chunk: list[Message] = []
    size = 0
    for message in messages:
        chunk.append(message)
        size += len(message.value() or b"")
        if len(chunk) == _MAX_ROWS or size > _MAX_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
