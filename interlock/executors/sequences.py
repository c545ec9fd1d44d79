"""What is known of decisions with dead letters: on `actions.sequences`, and in a temporary file for this process.

Kafka has the truth; the file answers at once, and bounds the memory however many dead letters there are. One partition
number stands for the same decisions on every topic that an executor reads.
"""

import logging
import sqlite3
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from interlock.executors.order import Actions, SequencedAction, is_open, pruned
from interlock.schemas import catalogue, wire
from interlock.streams.clock import Clock
from interlock.streams.ports import Broker, Message, Partition, Producer
from interlock.streams.ranges import FIRST_OFFSET, read_range
from interlock.streams.sending import Outgoing, send_and_wait

log = logging.getLogger(__name__)

TOPIC = catalogue.ACTION_SEQUENCES
_SCHEMA = TOPIC.schema or ""

# Longer than a broker's hiccup; partitions may have to be given back meanwhile.
DELIVERY_SECONDS = 10.0

# Less than Kafka allows between two polls (120 s): the member must not lose what it restores.
_RESTORE_SECONDS = 30.0

# Settled sequences looked through at once, so that a commit never takes long.
_PRUNED_AT_ONCE = 1_000


class Sequences:
    """Those of one group, in the partitions that were restored. Not for several threads."""

    def __init__(self, broker: Broker, group: str, producer: Producer, clock: Clock) -> None:
        """`producer` MUST have nothing else in its queue whenever a method is called."""
        self._broker = broker
        self._group = group
        self._producer = producer
        self._clock = clock
        self._prefix = quote(group, safe="") + "/"
        # An empty name: SQLite keeps some pages in memory, the others in a file without a name.
        self._file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute(
            "CREATE TABLE sequences (number INTEGER, decision_id TEXT, record BLOB, open INTEGER, "
            "PRIMARY KEY (number, decision_id)) WITHOUT ROWID"
        )
        self._file.execute("CREATE INDEX settled ON sequences (open) WHERE open = 0")
        self._any = False
        """Whether there may be one: mostly there is none, and nothing has to be looked up."""

    def restore(self, numbers: Collection[int]) -> None:
        """Reads partitions of the topic from their beginning. Raises KafkaException."""
        self.forget(numbers)
        known = self._broker.end_offsets(TOPIC.name)
        ends = {(TOPIC.name, number): known[number] for number in numbers if number in known}
        starts = dict.fromkeys(ends, FIRST_OFFSET)
        with self._file:  # one transaction: otherwise each row would be one
            self._file.execute("BEGIN")
            for message in read_range(self._broker, starts, ends, timeout=_RESTORE_SECONDS):
                self._take(message)
        self._look_whether_any()

    def forget(self, numbers: Collection[int]) -> None:
        self._file.executemany("DELETE FROM sequences WHERE number = ?", [(number,) for number in numbers])
        self._look_whether_any()

    def get(self, number: int, decision_id: str) -> Actions:
        """Empty where nothing is known."""
        if not self._any:
            return ()
        found = self._file.execute(
            "SELECT record FROM sequences WHERE number = ? AND decision_id = ?", (number, decision_id)
        ).fetchone()
        return _actions(wire.decode(_SCHEMA, found[0])) if found else ()

    def put(self, number: int, decision_id: str, actions: Actions) -> None:
        """Returns when it is stored; empty `actions` remove what is known. Raises KafkaException."""
        value = wire.encode(_SCHEMA, self._record(decision_id, actions)) if actions else None
        send_and_wait(self._producer, [self._outgoing(number, decision_id, value)], DELIVERY_SECONDS)
        self._keep(number, decision_id, value, actions)

    def prune(self, committed: Mapping[Partition, int]) -> None:
        """Removes what will not be read again. Raises KafkaException."""
        rows = self._file.execute(
            "SELECT number, decision_id, record FROM sequences WHERE open = 0 LIMIT ?", (_PRUNED_AT_ONCE,)
        ).fetchall()
        over = [
            (number, decision_id)
            for number, decision_id, record in rows
            if not pruned(_actions(wire.decode(_SCHEMA, record)), committed)
        ]
        if over:
            tombstones = [self._outgoing(number, decision_id, None) for number, decision_id in over]
            send_and_wait(self._producer, tombstones, DELIVERY_SECONDS)
            for number, decision_id in over:
                self._keep(number, decision_id, None, ())
            self._look_whether_any()

    def close(self) -> None:
        self._file.close()

    def _record(self, decision_id: str, actions: Actions) -> dict[str, Any]:
        at = datetime.fromtimestamp(self._clock.now() / 1e6, UTC)
        return {"group": self._group, "decision_id": decision_id, "actions": [*map(asdict, actions)], "at": at}

    def _outgoing(self, number: int, decision_id: str, value: bytes | None) -> Outgoing:
        key = (self._prefix + decision_id).encode()
        # Where its decision is read, whatever a partitioner would make of this key.
        return Outgoing(TOPIC.name, key, value, partition=number)

    def _take(self, message: Message) -> None:
        key = (message.key() or b"").decode(errors="backslashreplace")
        if not key.startswith(self._prefix):
            return
        decision_id, value = key.removeprefix(self._prefix), message.value()
        actions: Actions = ()
        if value is not None:
            try:
                actions = _actions(wire.decode(_SCHEMA, value))
            except wire.WireError as error:
                place = f"{TOPIC.name}[{message.partition()}] at offset {message.offset()}"
                log.error("%s: %s cannot be read, the order of %s is not kept: %s", self._group, place, key, error)
                value = None
        self._keep(message.partition(), decision_id, value, actions)

    def _keep(self, number: int, decision_id: str, value: bytes | None, actions: Actions) -> None:
        if value is None:
            self._file.execute("DELETE FROM sequences WHERE number = ? AND decision_id = ?", (number, decision_id))
        else:
            row = (number, decision_id, value, int(is_open(actions)))
            self._file.execute("INSERT OR REPLACE INTO sequences VALUES (?, ?, ?, ?)", row)
            self._any = True

    def _look_whether_any(self) -> None:
        self._any = self._file.execute("SELECT 1 FROM sequences LIMIT 1").fetchone() is not None


def _actions(record: dict[str, Any]) -> Actions:
    return tuple(SequencedAction(**action) for action in record["actions"])
