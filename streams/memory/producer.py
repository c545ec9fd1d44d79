"""The producer's side: a queue, and the transaction protocol with the states librdkafka gives it."""

# ruff: noqa: ARG002  (the signatures are confluent_kafka's: nothing takes time here)

import zlib
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, Literal

from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from interlock.schemas.catalogue import MAX_RECORD_BYTES
from interlock.streams.memory.client import Client, error
from interlock.streams.memory.cluster import Cluster, Process
from interlock.streams.memory.faults import FaultPlan, Late, Step, timed_out
from interlock.streams.memory.log import RawHeaders, Transaction, record_size
from interlock.streams.memory.partitioner import Partitioner
from interlock.streams.ports import DeliveryCallback

_State = Literal["new", "ready", "open", "abortable", "fatal"]


class MemoryProducer(Client):
    """`interlock.streams.ports.Producer`. Records leave the queue in `flush`, `poll` and `commit_transaction`."""

    def __init__(
        self,
        cluster: Cluster,
        process: Process,
        faults: FaultPlan,
        transactional_id: str | None,
        settings: Mapping[str, Any],
    ) -> None:
        super().__init__(cluster, process, faults)
        self._id = transactional_id
        self._state: _State = "new"
        self._error: KafkaException | None = None
        self._epoch = -1
        self._transaction_bytes = 0
        self._queue: deque[tuple[str, int, bytes | None, bytes | None, RawHeaders | None, int, Any]] = deque()
        self._partitioner = Partitioner()
        self._max_messages = int(settings.get("queue.buffering.max.messages", 100_000))
        self._max_bytes = int(settings.get("message.max.bytes", MAX_RECORD_BYTES))
        self._compresses = settings.get("compression.type", "none") != "none"
        self._timeout_ms = int(settings.get("transaction.timeout.ms", 60_000))

    def __len__(self) -> int:
        return len(self._queue)

    def explained(self, error: KafkaError, topics: Collection[str]) -> KafkaError:
        return error

    def init_transactions(self, timeout: float = -1) -> None:
        with self._request():
            identity = self._identity()
            self._step("init:before")
            self._epoch = self._cluster.transactions.init(identity)
            self._state = "ready"
            self._step("init:after")

    def begin_transaction(self) -> None:
        with self._request():
            self._expect("ready")
            self._step("begin")
            self._transaction_bytes = 0
            self._state = "open"

    def produce(
        self,
        topic: str,
        value: str | bytes | None = None,
        key: str | bytes | None = None,
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: RawHeaders | None = None,
    ) -> None:
        with self._request():
            if self._id is not None:
                self._expect("open")
            self._step("produce")
            if len(self._queue) >= self._max_messages:
                raise BufferError("Local: Queue full")
            key, value = _bytes(key), _bytes(value)
            size = record_size(key, value, headers)
            if size > self._max_bytes:
                raise error(KafkaError.MSG_SIZE_TOO_LARGE, "Broker: Message size too large")
            self._transaction_bytes += size
            at = timestamp or self._cluster.clock.now() // 1000
            self._queue.append((topic, partition, key, value, headers, at, on_delivery or callback))

    enqueue = produce

    def flush(self, timeout: float = -1) -> int:
        with self._request():
            self._step("flush")
            self._deliver()
            return len(self._queue)

    def poll(self, timeout: float = -1) -> int:
        with self._request():
            waiting = len(self._queue)
            self._deliver()
            return waiting

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        with self._request():
            self._queue.clear()

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float = -1
    ) -> None:
        with self._request():
            self._expect("open")
            self._step("offsets:before")
            self._deliver()  # in librdkafka a thread of its own does that meanwhile
            self._expect("open")
            self._cluster.transactions.deliver_late(self._identity())
            group = self._cluster.group(group_metadata.group)
            try:
                group.check(group_metadata, transactional=True)
            except KafkaException as refused:
                raise self._noted(refused) from None
            for position in positions:
                if position.offset >= 0:  # logical offsets are ignored, as by librdkafka
                    key = (group.name, position.topic, position.partition)
                    self._transaction().offsets[key] = (position.offset, position.metadata or "")
            self._step("offsets:after")

    def commit_transaction(self, timeout: float = -1) -> None:
        with self._request():
            self._expect("open")
            self._deliver()
            self._expect("open")
            limit = self._faults.max_transaction_bytes
            if limit is not None and self._transaction_bytes > limit:
                raise self._noted(timed_out())
            self._end("commit:before", commit=True)
            self._state = "ready"
            self._step("commit:after")

    def abort_transaction(self, timeout: float = -1) -> None:
        with self._request():
            if self._state != "abortable":
                self._expect("open")
            self._queue.clear()
            self._end("abort:before", commit=False)
            self._state, self._error = "ready", None
            self._step("abort:after")

    def _end(self, before: Step, *, commit: bool) -> None:
        identity = self._identity()
        try:
            self._step(before)
        except Late as late:
            self._cluster.transactions.end_late(identity, self._epoch, commit=commit)
            raise late.error from None
        try:
            self._cluster.transactions.end(identity, self._epoch, commit=commit)
        except KafkaException as refused:
            raise self._noted(refused) from None

    def _transaction(self) -> Transaction:
        try:
            return self._cluster.transactions.open(self._identity(), self._epoch, self._timeout_ms)
        except KafkaException as refused:
            raise self._noted(refused) from None

    def _deliver(self) -> None:
        """Writes the queue to the logs; what cannot be written fails the transaction, or its own callback."""
        while self._queue:
            topic, partition, key, value, headers, timestamp, callback = self._queue.popleft()
            try:
                if partition < 0:
                    partition = self._partitioner(key, max(1, self._cluster.partitions().get(topic, 0)))
                log = self._cluster.log(topic, partition)
                self._check_size(topic, key, value, headers)
                transaction = self._transaction() if self._id is not None else None
                kind = TIMESTAMP_CREATE_TIME
                if self._cluster.topics[topic].config.get("message.timestamp.type") == "LogAppendTime":
                    kind, timestamp = TIMESTAMP_LOG_APPEND_TIME, self._cluster.clock.now() // 1000
                offset = log.append(key, value, headers, timestamp, transaction, kind)
                failure = None
            except KafkaException as refused:
                offset, kind, failure = -1001, TIMESTAMP_CREATE_TIME, refused.args[0]
                if self._id is not None and not failure.fatal():
                    self._noted(error(failure.code(), failure.str(), requires_abort=True))
            if callback is not None:
                delivered = Message(
                    topic=topic,
                    partition=partition,
                    offset=offset,
                    key=key,
                    value=value,
                    timestamp=(kind, timestamp),
                    error=failure,
                )
                callback(failure, delivered)

    def _check_size(self, topic: str, key: bytes | None, value: bytes | None, headers: RawHeaders | None) -> None:
        """Raises MSG_SIZE_TOO_LARGE if the topic takes no record of that size, as it is stored."""
        size = record_size(key, value, headers)
        limit = int(self._cluster.topics[topic].config.get("max.message.bytes", size))
        if size > limit and self._compresses:
            parts = (key, value, *(data for _, data in headers or ()))
            size = sum(len(zlib.compress(_bytes(part) or b"", 1)) for part in parts)
        if size > limit:
            raise error(KafkaError.MSG_SIZE_TOO_LARGE, "Broker: Message size too large")

    def _identity(self) -> str:
        if self._id is None:
            raise error(KafkaError._NOT_CONFIGURED, "the producer has no transactional.id")
        return self._id

    def _step(self, step: Step) -> None:
        try:
            self._reach(step)
        except KafkaException as planned:
            raise self._noted(planned) from None

    def _noted(self, failure: KafkaException) -> KafkaException:
        """Remembers an error that decides what the producer may do next."""
        if failure.args[0].fatal():
            self._state, self._error = "fatal", failure
        elif failure.args[0].txn_requires_abort() and self._state == "open":
            self._state, self._error = "abortable", failure
        return failure

    def _expect(self, state: _State) -> None:
        if self._state == state:
            return
        if self._error is not None:
            raise self._error
        raise error(KafkaError._STATE, f"not possible in state {self._state}")


def _bytes(data: str | bytes | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data
