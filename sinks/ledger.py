"""Counts of Kafka against counts of ClickHouse: by partition, and of the roll-ups against their tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client
from numpy.typing import NDArray

from interlock.schemas import catalogue
from interlock.sinks.roll_ups import ROLL_UPS, balance, hour_of
from interlock.sinks.rows import TARGETS
from interlock.streams.ports import Message

# A roll-up is filled a moment after its table. Between two inserts, one a second, both agree; only a difference that is
# still there after so many comparisons is real.
_ATTEMPTS = 25
_POLL_INTERVAL_SECONDS = 0.2

# Offsets compared by one query: to count the different ones, ClickHouse holds them all in memory.
_SLICE_SIZE = 1_000_000

_STORED = """
SELECT count(), uniqExact(kafka_offset), sum(kafka_offset), groupBitXor(kafka_offset) FROM {table:Identifier}
WHERE kafka_stream = {stream:String} AND kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}
    AND kafka_offset >= {first:UInt64} AND kafka_offset < {end:UInt64}
"""

_HELD = """
SELECT count(), groupUniqArray(kafka_offset) FROM {table:Identifier}
WHERE kafka_stream = {stream:String} AND kafka_topic = {topic:String} AND kafka_partition = {partition:UInt32}
    AND kafka_offset < {end:UInt64}
"""


@dataclass(frozen=True, slots=True)
class PartitionCheck:
    """One partition up to `inserted`, the sink's committed offset. `different`: distinct offsets in ClickHouse.
    `checksums_agree`: sum and exclusive or of the offsets; on a compacted topic, that ClickHouse has all that Kafka
    still has. `lag`: offsets from `inserted` to the end, transaction markers included."""

    topic: str
    partition: int
    table: str
    inserted: int
    lag: int
    in_kafka: int
    in_clickhouse: int
    different: int
    checksums_agree: bool

    @property
    def ok(self) -> bool:
        return self.verdict == "ok"

    @property
    def verdict(self) -> str:
        """What is wrong, or ok."""
        doubled = self.in_clickhouse - self.different
        if doubled:
            return f"{doubled} rows doubled"
        # ClickHouse keeps what Kafka compacts away.
        compacted = catalogue.BY_NAME[self.topic].is_compacted
        if self.in_clickhouse < self.in_kafka:
            return f"{self.in_kafka - self.in_clickhouse} rows missing"
        if self.in_clickhouse > self.in_kafka and not compacted:
            return f"{self.in_clickhouse - self.in_kafka} rows too many"
        return "ok" if self.checksums_agree else "other offsets than in Kafka"


@dataclass(frozen=True, slots=True)
class RollUpCheck:
    """Records in a table and in one of its roll-ups, of one topic, from the oldest hour that Kafka still holds.
    `keys_agree`: both have them under the same times, domains, routes and so on."""

    topic: str
    roll_up: str
    in_table: int
    in_roll_up: int
    keys_agree: bool

    @property
    def ok(self) -> bool:
        return self.in_table == self.in_roll_up and self.keys_agree


class Tally:
    """Counts the records of a topic by partition, up to the offsets that are said to be inserted."""

    def __init__(self, topic: str, inserted: Mapping[int, int]) -> None:
        self.topic = topic
        self.inserted = inserted
        self.ends = dict(inserted)
        self.offsets: dict[int, list[NDArray[np.uint64]]] = {partition: [] for partition in inserted}
        self.oldest_ms: int | None = None

    def add(self, messages: Sequence[Message]) -> None:
        """Takes a batch."""
        partitions = np.array([message.partition() for message in messages])
        offsets = np.array([message.offset() for message in messages], dtype=np.uint64)
        oldest = min(message.timestamp()[1] for message in messages)
        self.oldest_ms = oldest if self.oldest_ms is None else min(oldest, self.oldest_ms)
        for partition in np.unique(partitions).tolist():
            mine = offsets[partitions == partition]
            self.offsets[partition].append(mine[mine < self.inserted[partition]])

    def of_partition(self, partition: int) -> NDArray[np.uint64]:
        """The offsets of one partition's records, in order."""
        return np.concatenate([np.empty(0, dtype=np.uint64), *self.offsets[partition]])

    def note_ends(self, ends: Mapping[int, int]) -> None:
        """Takes the offsets at which the partitions end."""
        self.ends = {partition: ends[partition] for partition in self.inserted}


def check_partitions(client: Client, tally: Tally, stream: str) -> list[PartitionCheck]:
    """ClickHouse against `tally`, in the rows of log `stream`. Raises ClickHouseError."""
    topic = tally.topic
    compacted = catalogue.BY_NAME[topic].is_compacted
    checks = []
    for partition, inserted in tally.inserted.items():
        offsets = tally.of_partition(partition)
        parameters = {
            "table": TARGETS[topic].table,
            "stream": stream,
            "topic": topic,
            "partition": partition,
            "end": inserted,
        }
        if compacted:
            ((count, held),) = client.query(_HELD, parameters=parameters).result_rows
            different, agree = len(held), set(offsets.tolist()) <= set(held)
        else:
            # What retention has removed from Kafka is not compared; where nothing is left, nothing is.
            first = int(offsets[0]) if len(offsets) else inserted
            count, different, total, exclusive = _stored(client, parameters, first, inserted)
            agree = (total, exclusive) == (int(offsets.sum()), int(np.bitwise_xor.reduce(offsets)))
        checks.append(
            PartitionCheck(
                topic=topic,
                partition=partition,
                table=TARGETS[topic].table,
                inserted=inserted,
                lag=max(0, tally.ends[partition] - inserted),
                in_kafka=len(offsets),
                in_clickhouse=count,
                different=different,
                checksums_agree=agree,
            )
        )
    return checks


def _stored(client: Client, parameters: dict[str, Any], first: int, end: int) -> tuple[int, int, int, int]:
    """Rows, different offsets, and sum (modulo 2^64, as numpy adds) and exclusive or of the offsets."""
    count, different, total, exclusive = 0, 0, 0, 0
    for start in range(first, end, _SLICE_SIZE):
        bounds = {"first": start, "end": min(start + _SLICE_SIZE, end)}
        ((rows, offsets, added, mixed),) = client.query(_STORED, parameters=parameters | bounds).result_rows
        count, different, total, exclusive = count + rows, different + offsets, total + added, exclusive ^ mixed
    return count, different, total % 2**64, exclusive


def check_roll_ups(client: Client, tallies: Mapping[str, Tally], sleep: Callable[[float], None]) -> list[RollUpCheck]:
    """Every roll-up against its table. Raises ClickHouseError."""
    for _ in range(_ATTEMPTS - 1):
        checks = _compare_roll_ups(client, tallies)
        if all(check.ok for check in checks):
            return checks
        sleep(_POLL_INTERVAL_SECONDS)
    return _compare_roll_ups(client, tallies)


def _compare_roll_ups(client: Client, tallies: Mapping[str, Tally]) -> list[RollUpCheck]:
    checks = []
    for topic, tally in tallies.items():
        if tally.oldest_ms is None:
            continue
        # Of what is older Kafka knows nothing, and the table may have dropped it.
        since = hour_of(tally.oldest_ms)
        for roll_up in ROLL_UPS.get(TARGETS[topic].table, ()):
            found = balance(client, roll_up, topic, since)
            checks.append(RollUpCheck(topic, roll_up.name, found.in_table, found.in_roll_up, found.keys_agree))
    return checks
