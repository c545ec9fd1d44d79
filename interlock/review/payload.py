"""What a task is about: the routed decision at the offset that the task names, proved to be what the desk judges.

Kafka keeps it for days, ClickHouse for years. The bytes from Kafka must have the task's hash. A row of ClickHouse is
encoded again: if that gives the same bytes the hash proves them as well; otherwise the reviewer is told that nothing
does (a producer's Avro library may have encoded the same content differently). Of a record that is damaged behind its
routing fields the reviewer gets what can be read; ClickHouse has its bytes.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError
from interlock.processors.review.payload import Payload, as_shown
from interlock.schemas import damaged, wire
from interlock.schemas.payload import payload_hash, planted_hash
from interlock.schemas.sealed_text import key_ids
from interlock.streams.ports import Broker, Consumer
from interlock.streams.ranges import READ_TO_END, RangeReader

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore

# Longer than a broker's restart; then a person should know.
TIMEOUT_SECONDS = 30.0

_FETCHING: Mapping[str, Any] = {
    **READ_TO_END,
    # Enough for the largest message; the default would fetch 64 MB to read one record.
    "queued.max.messages.kbytes": 8 * 1024,
    # A fetch that prefetched to the end waits at the broker, and the next payload waits behind it: with the default
    # (500 ms) every payload takes half a second, with this 8 ms (measured).
    "fetch.wait.max.ms": 5,
}

# What librdkafka takes: the offset after it must be a number too.
_MAX_OFFSET = 2**63 - 1


class PayloadReader:
    """Fetches payloads; safe to share between threads, which take turns.

    `clickhouse`: connects when Kafka no longer has the record; None: there is no ClickHouse to ask. `keys`: gives the
    keys of what is sealed there.
    """

    def __init__(
        self,
        broker: Broker,
        clickhouse: "Callable[[], Client] | None" = None,
        keys: "Callable[[], KeyStore | None]" = lambda: None,
    ) -> None:
        self._lock = threading.Lock()
        self._clickhouse = clickhouse
        self._keys = keys
        self._broker = broker
        self._partitions: dict[str, int] = {}
        self._consumer: Consumer | None = None  # from the first payload on

    def read(self, task: dict[str, Any], *, as_sent: bool = False) -> Payload:
        """The payload of a `Task` record. `as_sent`: what its producer encrypted stays so.

        Raises InterlockError where it is gone or differs from what the task says.
        """
        where = f"{task['topic']} {task['partition']}:{task['offset']}"
        value = self._from_kafka(task["topic"], task["partition"], task["offset"])
        payload = self._from_clickhouse(task, where) if value is None else _proved(task, value, where)
        return as_shown(task, payload if as_sent else self._opened(payload))

    def stored(self, topic: str, partition: int, offset: int, decision_id: str) -> bytes | None:
        """The `RoutedDecision` at a place, from Kafka or else from ClickHouse; None if neither has it.

        What its producer encrypted stays so. No hash proves it: for readers that know only the place. Raises
        KafkaException and UnavailableError, and SealedContentError where there is no key to read it.
        """
        value = self._from_kafka(topic, partition, offset)
        if value is None and self._clickhouse is not None:
            from interlock.review.stored_payload import stored_payload

            place = {"topic": topic, "partition": partition, "offset": offset, "decision_id": decision_id}
            value = stored_payload(self._clickhouse(), place, self._keys())
        return value

    def close(self) -> None:
        with self._lock:
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None

    def _from_kafka(self, topic: str, partition: int, offset: int) -> bytes | None:
        """The record's value; None if Kafka no longer has it. Raises KafkaException."""
        if not 0 <= partition < self._count(topic) or not 0 <= offset < _MAX_OFFSET:
            return None
        start = {(topic, partition): offset}
        with self._lock:
            if self._consumer is None:
                self._consumer = self._broker.consumer(None, overrides=_FETCHING)
            try:
                reader = RangeReader(self._consumer, start, {(topic, partition): offset + 1}, timeout=TIMEOUT_SECONDS)
                while reader.unread:
                    for record in reader.read(1):
                        # Another offset: reading began at the oldest record, because there is none at this one.
                        return record.value() if record.offset() == offset else None
                return None
            finally:
                self._consumer.assign([])  # or it would ask the broker for more all the time

    def _count(self, topic: str) -> int:
        """The number of partitions. Who asks for a topic or partition that does not exist would wait for it."""
        if topic not in self._partitions:
            state = self._broker.topic_states([topic]).get(topic)
            if state is None:
                return 0
            self._partitions[topic] = state.partitions
        return self._partitions[topic]

    def _from_clickhouse(self, task: dict[str, Any], where: str) -> Payload:
        if self._clickhouse is None:
            raise InterlockError(f"Kafka no longer has {where}, and no ClickHouse is known that could have it")
        from interlock.review.stored_payload import stored_payload

        value = stored_payload(self._clickhouse(), task, self._keys())
        if value is None:
            raise InterlockError(f"neither Kafka nor ClickHouse has {where}, the payload of task {task['task_id']}")
        payload = _payload(value, verified=True, note="from ClickHouse, with the same hash")
        # ClickHouse keeps the columns of a whole record, not the version in which it was written.
        written = [value] if payload.damage else [value, *wire.encodings("RoutedDecision", payload.routed)]
        if any(task["payload_hash"] == _hash_for(task, one) for one in written):
            return payload
        note = "from ClickHouse, since Kafka no longer has it: its hash cannot be verified"
        return replace(payload, verified=False, note=note)

    def _opened(self, payload: Payload) -> Payload:
        """With what its producer encrypted in plain, where a key of it is here."""
        decision = payload.routed["decision"]
        if not any(key_ids(decision)):
            return payload
        from interlock.encryption.fields import open_record, why_lost

        opened = open_record(decision, decision["decision_id"], self._keys())
        told = (why_lost(opened.lost),) if opened.lost else ()
        return replace(payload, routed={**payload.routed, "decision": opened.record}, damage=(*payload.damage, *told))


def _proved(task: dict[str, Any], value: bytes, where: str) -> Payload:
    actual = _hash_for(task, value)
    if actual != task["payload_hash"]:
        raise InterlockError(
            f"what stands at {where} is not what the desk judges of task {task['task_id']} (hash {actual} instead "
            f"of {task['payload_hash']}): was the topic created again? Do not decide on it; tell an operator."
        )
    return _payload(value, verified=True)


def _hash_for(task: dict[str, Any], value: bytes) -> str:
    """The hash that the task has if it is about these bytes."""
    actual = payload_hash(value)
    return planted_hash(task["task_id"], actual) if task["kind"] == "gold" else actual


def _payload(value: bytes, *, verified: bool, note: str = "") -> Payload:
    routed = damaged.read("RoutedDecision", value)
    return Payload(routed.record, verified, note, routed.damage)
