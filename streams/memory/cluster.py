"""The state that all clients share: in Kafka, the brokers hold it."""

import threading
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from interlock.streams.clock import Clock
from interlock.streams.memory.groups import Group
from interlock.streams.memory.log import PartitionLog, Transaction
from interlock.streams.memory.transactions import Coordinator
from interlock.streams.ports import Partition, TopicSpec


@dataclass(slots=True)
class Topic:
    logs: list[PartitionLog]
    config: dict[str, str]


@dataclass(slots=True)
class Process:
    """The clients of one process live and die together. `died`: when, in microseconds since the epoch."""

    died: int | None = None
    members: list[tuple[str, str]] = field(default_factory=list)  # (group, member)


class Cluster:
    """Topics, groups and transactions under one lock; `changed` wakes readers that wait."""

    # How long a dead member keeps its partitions: the default of group.protocol=consumer is 45 s.
    SESSION_MICROSECONDS = 45_000_000

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.changed = threading.Condition(threading.RLock())
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.processes: list[Process] = []
        self.transactions = Coordinator(clock, self._apply_offsets)
        self._members = 0

    def create(self, spec: TopicSpec) -> None:
        """Creates a topic unless it exists; groups that wait for it are rebalanced."""
        if spec.name in self.topics:
            return
        logs = [PartitionLog(spec.name, partition) for partition in range(spec.partitions)]
        self.topics[spec.name] = Topic(logs, dict(spec.config))
        self._rebalance_readers(spec.name)

    def add_partitions(self, topic: str, total: int) -> None:
        """Gives a topic more partitions; the groups that read it are rebalanced."""
        logs = self.topics[topic].logs
        logs += [PartitionLog(topic, number) for number in range(len(logs), total)]
        self._rebalance_readers(topic)

    def _rebalance_readers(self, topic: str) -> None:
        for group in self.groups.values():
            if any(topic in member.topics for member in group.members.values()):
                group.rebalance(self.partitions())

    def partitions(self) -> dict[str, int]:
        """The number of partitions of every topic."""
        return {name: len(topic.logs) for name, topic in self.topics.items()}

    def log(self, topic: str, partition: int) -> PartitionLog:
        """Raises UNKNOWN_TOPIC_OR_PART."""
        logs = self.topics[topic].logs if topic in self.topics else []
        if not 0 <= partition < len(logs):
            reason = f"there is no {topic}[{partition}]"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, reason))
        return logs[partition]

    def group(self, name: str) -> Group:
        return self.groups.setdefault(name, Group(name))

    def join(self, process: Process, group: str, topics: tuple[str, ...], *, exclusive: bool) -> str:
        """A new member; returns its id."""
        self._members += 1
        member = f"member-{self._members}"
        process.members.append((group, member))
        self.group(group).join(member, topics, self.partitions(), exclusive=exclusive)
        return member

    def leave(self, group: str, member: str) -> None:
        self.group(group).leave(member, self.partitions())

    def tick(self) -> None:
        """Does what the brokers do as time passes: ends transactions and sessions."""
        self.transactions.expire()
        for process in self.processes:
            if process.died is not None and self.clock.now() >= process.died + self.SESSION_MICROSECONDS:
                for group, member in process.members:
                    self.leave(group, member)
                process.members.clear()

    def committed(self, group: str, partition: Partition) -> tuple[int, str] | None:
        """The committed offset and its metadata; None if there is none. Raises UNSTABLE_OFFSET_COMMIT."""
        if self.transactions.pending(group, *partition):
            reason = f"an open transaction may change the offset of {partition[0]}[{partition[1]}]"
            raise KafkaException(KafkaError(KafkaError.UNSTABLE_OFFSET_COMMIT, reason, retriable=True))
        return self.group(group).committed.get(partition)

    def _apply_offsets(self, transaction: Transaction) -> None:
        for (group, topic, partition), offset in transaction.offsets.items():
            self.group(group).committed[topic, partition] = offset
