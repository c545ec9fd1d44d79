"""What the pipeline needs of a message broker: the part of confluent_kafka's API that it uses, as types.

confluent_kafka's own classes satisfy these protocols, so that nothing stands between the hot path and the C
library; `interlock.streams.memory` implements them in plain Python. Both pass the same conformance suite
(`tests/streams/conformance.py`), which is the specification of what callers may rely on.

Errors are confluent_kafka's own: `KafkaException` whose first argument is a `KafkaError`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from confluent_kafka import KafkaError, TopicPartition

# Requests about topics take milliseconds; a cluster that is electing leaders may need half a minute.
ADMIN_TIMEOUT_SECONDS = 30.0

Headers = list[tuple[str, str | bytes | None]]
Isolation = Literal["read_committed", "read_uncommitted"]
Partition = tuple[str, int]  # topic, number
DeliveryCallback = Callable[[KafkaError | None, Any], None]


class Message(Protocol):
    """A consumed record, or an event of the consumer if `error()` is not None."""

    # Any: always set on a consumed record; the stubs say Optional because an event may lack them.
    def topic(self) -> Any: ...
    def partition(self) -> Any: ...
    def offset(self) -> Any: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Any: ...  # to be read with `interlock.schemas.headers`: some cannot be
    def timestamp(self) -> tuple[int, int]: ...  # (type, milliseconds since the epoch)
    def error(self) -> KafkaError | None: ...


class Consumer(Protocol):
    """Reads records. Rebalance callbacks run inside `consume()` and `close()`, nowhere else."""

    def subscribe(
        self,
        topics: list[str],
        on_assign: "RebalanceCallback | None" = None,
        on_revoke: "RebalanceCallback | None" = None,
        on_lost: "RebalanceCallback | None" = None,
    ) -> None:
        """Joins the group. Assignment is incremental, unless the group is exclusive: callbacks name only what comes
        or goes.
        """
        ...

    def assign(self, partitions: list[TopicPartition]) -> None:
        """Reads exactly these partitions, without a group; an offset of -1001 means the reset policy."""
        ...

    def assignment(self) -> list[TopicPartition]: ...

    def consume(self, num_messages: int = 1, timeout: float = -1) -> Sequence[Message]:
        """Up to `num_messages` messages, all of one class; waits at most `timeout` seconds for that many."""
        ...

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """The offset after the last record consumed since assignment or `seek`; -1001 if there is none."""
        ...

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Committed offsets with their metadata; -1001 where there is none.

        Waits while a transaction that may change them is open (read_committed only).
        """
        ...

    def commit(self, *, offsets: list[TopicPartition], asynchronous: Literal[False]) -> list[TopicPartition]:
        """Commits offsets outside any transaction; each result carries its own `error`."""
        ...

    def seek(self, partition: TopicPartition) -> None:
        """Continues at `partition.offset`.

        Raises `_UNKNOWN_PARTITION` if it is not assigned, `_STATE` if reading it has not begun yet.
        """
        ...

    def pause(self, partitions: list[TopicPartition]) -> None: ...
    def resume(self, partitions: list[TopicPartition]) -> None: ...

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        """First offset and the one after the last. `cached` makes no request and may be -1001 at first."""
        ...

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """The first offset whose record is as late as the milliseconds since the epoch that stand in place of the
        offset; OFFSET_END where there is none. Where OFFSET_BEGINNING or OFFSET_END stands in its place, the first
        offset or the end. All partitions of a broker are asked about in one request. Raises KafkaException for a time
        before 1970."""
        ...

    def consumer_group_metadata(self) -> Any:
        """What `send_offsets_to_transaction` needs. MUST be called in the thread that calls `consume()`:
        from another thread, while `consume()` runs, it hangs for good."""
        ...

    def close(self) -> None:
        """Leaves the group; runs the revoke callback first."""
        ...


# Any: the callback is handed the concrete consumer.
RebalanceCallback = Callable[[Any, list[TopicPartition]], None]


class Producer(Protocol):
    """Writes records, in transactions if it has a transactional id."""

    def init_transactions(self, timeout: float = -1) -> None:
        """Fences every older producer of the same transactional id and ends its open transaction."""
        ...

    def begin_transaction(self) -> None: ...

    # The order is confluent_kafka's, `callback` and its newer name included: the hot path passes positions.
    def produce(
        self,
        topic: str,
        value: str | bytes | None = None,
        key: str | bytes | None = None,
        partition: int = -1,
        callback: DeliveryCallback | None = None,
        on_delivery: DeliveryCallback | None = None,
        timestamp: int = 0,
        headers: Headers | None = None,
    ) -> None:
        """Queues a record; `timestamp` in milliseconds, 0: now. Raises BufferError if the queue is full, and
        KafkaException, `explained`, for what is refused at once: a record that is too large, and any record for a topic
        of which librdkafka knows already that we may not write to it."""
        ...

    # Any: the arguments of `produce`.
    def enqueue(self, topic: str, *args: Any, **named: Any) -> None:
        """As `produce`, for loops over many records: what is refused is not explained."""
        ...

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float = -1
    ) -> None: ...

    def commit_transaction(self, timeout: float = -1) -> None: ...
    def abort_transaction(self, timeout: float = -1) -> None: ...

    def flush(self, timeout: float = -1) -> int:
        """Waits for delivery of everything queued; returns how much is still queued."""
        ...

    def poll(self, timeout: float = -1) -> int: ...
    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None: ...

    def explained(self, error: KafkaError, topics: Collection[str]) -> KafkaError:
        """`error` of records for some of `topics`, with the right that is missing, or why Kafka does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic to create. `config` as Kafka names it (`cleanup.policy`, …)."""

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    replication_factor: int = -1  # -1: the cluster's default


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it exists, with the configuration entries that were asked for."""

    name: str
    partitions: int
    config: Mapping[str, str]


class Broker(Protocol):
    """Makes clients and knows topics."""

    def consumer(
        self,
        group: str | None,
        *,
        isolation: Isolation = "read_committed",
        exclusive: bool = False,
        overrides: Mapping[str, Any] | None = None,
    ) -> Consumer:
        """A consumer that commits nothing by itself and starts at the earliest record; None: no group.

        `exclusive`, which all members of a group MUST agree on: one member is given every partition of topics with
        one partition, all at once and after the member before has given all back. Any change of the membership
        may revoke them, also to assign them to the same member again.
        """
        ...

    def producer(self, transactional_id: str | None, overrides: Mapping[str, Any] | None = None) -> Producer:
        """A producer; with a transactional id, `init_transactions` must come first."""
        ...

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Creates those that do not exist and returns when all can be used. Raises KafkaException."""
        ...

    def topic_states(
        self, names: Sequence[str], config_keys: Sequence[str] = (), *, timeout: float = ADMIN_TIMEOUT_SECONDS
    ) -> dict[str, TopicState]:
        """Those of the named topics that exist. `timeout`: seconds of each request."""
        ...

    def configure_topic(self, topic: str, config: Mapping[str, str]) -> None:
        """Sets some settings of an existing topic and leaves the others. Raises KafkaException."""
        ...

    def end_offsets(self, topic: str) -> dict[int, int]:
        """Per partition the offset after the last record that a read_committed reader can see."""
        ...
