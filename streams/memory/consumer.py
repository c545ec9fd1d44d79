"""The consumer's side: rebalances, positions and reading."""

# ruff: noqa: ARG002  (the signatures are confluent_kafka's: most of this takes no time here)

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    OFFSET_STORED,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from interlock.streams.memory.client import Client, error
from interlock.streams.memory.cluster import Cluster, Process
from interlock.streams.memory.faults import FaultPlan
from interlock.streams.memory.groups import GroupMetadata
from interlock.streams.memory.messages import message_of
from interlock.streams.ports import Isolation, Partition, RebalanceCallback


@dataclass(slots=True)
class _Cursor:
    """`next`: where reading goes on, None until it has begun. `position`: as the application sees it."""

    next: int | None = None
    position: int = OFFSET_INVALID
    reported_end: int = -1  # the end for which an end-of-partition event was last given


class MemoryConsumer(Client):
    """`interlock.streams.ports.Consumer`."""

    def __init__(
        self,
        cluster: Cluster,
        process: Process,
        faults: FaultPlan,
        group: str | None,
        *,
        isolation: Isolation,
        exclusive: bool,
        partition_eof: bool,
        waits: bool,
    ) -> None:
        super().__init__(cluster, process, faults)
        self._group = group
        self._isolation: Isolation = isolation
        self._exclusive = exclusive
        self._partition_eof = partition_eof
        self._waits = waits
        self._member = ""
        self._topics: tuple[str, ...] = ()
        self._callbacks: dict[Literal["assign", "revoke", "lost"], RebalanceCallback | None] = {}
        self._cursors: dict[Partition, _Cursor] = {}
        self._paused: set[Partition] = set()  # outlives revocation, as in librdkafka
        self._turn = 0

    def subscribe(
        self,
        topics: list[str],
        on_assign: RebalanceCallback | None = None,
        on_revoke: RebalanceCallback | None = None,
        on_lost: RebalanceCallback | None = None,
    ) -> None:
        with self._request():
            self._topics = tuple(topics)
            self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost or on_revoke}
            self._member = self._join()

    def assign(self, partitions: list[TopicPartition]) -> None:
        with self._request():
            self._cursors = {(p.topic, p.partition): _Cursor() for p in partitions}
            for partition in partitions:
                if partition.offset not in (OFFSET_INVALID, OFFSET_STORED):
                    self._cursors[partition.topic, partition.partition].next = self._absolute(partition)

    def assignment(self) -> list[TopicPartition]:
        with self._request():
            return [TopicPartition(*partition) for partition in self._cursors]

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        deadline = time.monotonic() + timeout
        with self._request():
            self._reach("consume")
            # As in librdkafka, a rebalance may come while records are being collected: some are from before it.
            messages = self._take(num_messages // 2)
            while True:
                self._cluster.tick()
                self._rebalance()
                messages += self._take(num_messages - len(messages))
                remaining = deadline - time.monotonic()
                if not self._waits or len(messages) >= num_messages or remaining <= 0:
                    return messages
                self._cluster.changed.wait(remaining)

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        with self._request():
            return [
                TopicPartition(p.topic, p.partition, self._cursors.get((p.topic, p.partition), _Cursor()).position)
                for p in partitions
            ]

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        with self._request():
            self._reach("committed")
            return [self._committed(p.topic, p.partition) for p in partitions]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: Literal[False]) -> list[TopicPartition]:
        with self._request():
            self._reach("group-commit:before")
            group = self._cluster.group(self._group_name())
            if self._member:
                group.check(self.consumer_group_metadata())
            for p in offsets:
                group.committed[p.topic, p.partition] = (p.offset, p.metadata or "")
            self._reach("group-commit:after")
            return offsets

    def seek(self, partition: TopicPartition) -> None:
        with self._request():
            self._reach("seek")
            cursor = self._cursors.get((partition.topic, partition.partition))
            if cursor is None:
                raise error(KafkaError._UNKNOWN_PARTITION, "Local: Unknown partition")
            if cursor.next is None:
                raise error(KafkaError._STATE, "Local: Erroneous state")
            cursor.next = self._absolute(partition)
            cursor.position = OFFSET_INVALID
            cursor.reported_end = -1

    def pause(self, partitions: list[TopicPartition]) -> None:
        with self._request():
            self._paused |= self._assigned(partitions)

    def resume(self, partitions: list[TopicPartition]) -> None:
        with self._request():
            self._paused -= self._assigned(partitions)

    def _assigned(self, partitions: list[TopicPartition]) -> set[Partition]:
        named = {(each.topic, each.partition) for each in partitions}
        if unknown := named - self._cursors.keys():
            raise error(KafkaError._UNKNOWN_PARTITION, f"not assigned: {sorted(unknown)}")
        return named

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        with self._request():
            log = self._cluster.log(partition.topic, partition.partition)
            return log.start, log.visible_end(self._isolation)

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        with self._request():
            if early := [each.offset for each in partitions if each.offset < OFFSET_BEGINNING]:
                # Kafka means something else by -3, which nobody here asks for, and refuses the rest so.
                raise error(KafkaError.UNSUPPORTED_VERSION, f"no times: {early}")
            return [TopicPartition(each.topic, each.partition, self._offset_at(each)) for each in partitions]

    def consumer_group_metadata(self) -> GroupMetadata:
        with self._request():
            group = self._cluster.group(self._group_name())
            member = group.members.get(self._member)
            return GroupMetadata(group.name, self._member, member.generation if member else -1)

    def close(self) -> None:
        with self._request():
            self._reach("close")
            if self._member:
                self._give_up("revoke", set(self._cursors))
                self._cluster.leave(self._group_name(), self._member)
                self._process.members.remove((self._group_name(), self._member))
            self._closed = True

    def _rebalance(self) -> None:
        """One round of the incremental protocol: give back, then take what is free, then be up to date."""
        if not self._member:
            return
        group = self._cluster.group(self._group_name())
        if self._member not in group.members:
            self._give_up("lost", set(self._cursors))
            self._process.members.remove((group.name, self._member))
            self._member = self._join()
        member = group.members[self._member]
        gone = group.to_give_back(self._member)
        if gone:
            self._give_up("revoke", gone)
            member.owned -= gone
            if self._member not in group.members:  # removed meanwhile: its partitions are lost, as the next call finds
                return
        member.generation = group.generation
        new = group.free(self._member) - member.owned
        if new:
            self._call("assign", new)
            member.owned |= new
            self._cursors.update({partition: _Cursor() for partition in sorted(new)})

    def _give_up(self, event: Literal["revoke", "lost"], partitions: set[Partition]) -> None:
        if partitions:
            self._call(event, partitions)
            for partition in partitions:
                del self._cursors[partition]

    def _call(self, event: Literal["assign", "revoke", "lost"], partitions: set[Partition]) -> None:
        callback: Callable[..., None] | None = self._callbacks[event]
        if callback is None:
            return
        # Without the lock: the callback may wait for another thread that is talking to the cluster.
        self._cluster.changed.release()
        try:
            callback(self, [TopicPartition(*partition) for partition in sorted(partitions)])
        finally:
            self._cluster.changed.acquire()

    def _committed(self, topic: str, partition: int) -> TopicPartition:
        committed = self._cluster.committed(self._group_name(), (topic, partition))
        if committed is None:
            return TopicPartition(topic, partition, OFFSET_INVALID)
        offset, metadata = committed
        return TopicPartition(topic, partition, offset, metadata)

    def _take(self, limit: int) -> list[Message]:
        """Messages of all partitions, starting with a different one each time, as fetches come in."""
        messages: list[Message] = []
        partitions = list(self._cursors)
        self._turn += 1
        for index in range(len(partitions)):
            partition = partitions[(index + self._turn) % len(partitions)]
            cursor = self._cursors[partition]
            if partition not in self._paused and self._begin(partition, cursor):
                messages += self._read(partition, cursor, limit - len(messages))
        return messages

    def _begin(self, partition: Partition, cursor: _Cursor) -> bool:
        """Whether reading has begun: it waits for the outcome of a transaction that may move the offset."""
        if cursor.next is None:
            committed = None
            if self._group is not None:
                try:
                    committed = self._cluster.committed(self._group, partition)
                except KafkaException:
                    return False
            cursor.next = committed[0] if committed else self._cluster.log(*partition).start
        return True

    def _read(self, partition: Partition, cursor: _Cursor, limit: int) -> list[Message]:
        log = self._cluster.log(*partition)
        messages: list[Message] = []
        assert cursor.next is not None
        cursor.next = max(cursor.next, log.start)  # the reset policy, where records have been deleted
        for record in log.read(cursor.next, self._isolation):
            if len(messages) >= limit:
                return messages
            messages.append(message_of(partition, record))
            cursor.next = cursor.position = record.offset + 1
        end = log.visible_end(self._isolation)
        cursor.next = max(cursor.next, end)
        if self._partition_eof and cursor.reported_end != end and len(messages) < limit:
            cursor.reported_end = end
            eof = KafkaError(KafkaError._PARTITION_EOF, "no more messages")
            messages.append(Message(topic=partition[0], partition=partition[1], offset=end, error=eof))
        return messages

    def _absolute(self, partition: TopicPartition) -> int:
        log = self._cluster.log(partition.topic, partition.partition)
        special = {OFFSET_BEGINNING: log.start, OFFSET_END: log.visible_end(self._isolation)}
        offset = special.get(partition.offset, partition.offset)
        if offset < 0:
            raise error(KafkaError._INVALID_ARG, f"offset {partition.offset} cannot be sought")
        return offset

    def _offset_at(self, partition: TopicPartition) -> int:
        if partition.offset >= 0:
            return self._cluster.log(partition.topic, partition.partition).offset_at(partition.offset)
        return self._absolute(partition)

    def _join(self) -> str:
        return self._cluster.join(self._process, self._group_name(), self._topics, exclusive=self._exclusive)

    def _group_name(self) -> str:
        if self._group is None:
            raise error(KafkaError._UNKNOWN_GROUP, "Local: Unknown group")
        return self._group
