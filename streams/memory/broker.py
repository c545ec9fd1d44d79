"""One process's view of the cluster in memory: `interlock.streams.ports.Broker`."""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.streams.clock import Clock, ManualClock
from interlock.streams.memory.cluster import Cluster, Process
from interlock.streams.memory.consumer import MemoryConsumer
from interlock.streams.memory.faults import FaultPlan
from interlock.streams.memory.producer import MemoryProducer
from interlock.streams.ports import ADMIN_TIMEOUT_SECONDS, Consumer, Isolation, TopicSpec, TopicState


class MemoryBroker:
    """A new cluster and the process that uses it; `process()` gives further processes on the cluster."""

    def __init__(
        self,
        clock: Clock | None = None,
        crash: FaultPlan | None = None,
        *,
        waits: bool = False,
        cluster: Cluster | None = None,
    ) -> None:
        """`clock`: by default a ManualClock. `crash`: the faults of this process. `waits`: `consume` waits for its
        timeout, for code that loops in threads; otherwise it returns at once, for tests that step. `cluster`: that of
        another process.
        """
        self.cluster = cluster or Cluster(clock or ManualClock())
        self.faults = crash or FaultPlan()
        self._waits = waits
        self._process = Process()
        self.cluster.processes.append(self._process)

    def process(self, crash: FaultPlan | None = None) -> "MemoryBroker":
        """Another process on the same cluster, for example the one that replaces a dead one."""
        return MemoryBroker(crash=crash, waits=self._waits, cluster=self.cluster)

    def kill(self) -> None:
        """The process dies now, without cleaning up; its group notices when the session has ended."""
        self._process.died = self.cluster.clock.now()

    @property
    def dead(self) -> bool:
        """Whether this process has died of a Crash."""
        return self._process.died is not None

    def consumer(
        self,
        group: str | None,
        *,
        isolation: Isolation = "read_committed",
        exclusive: bool = False,
        overrides: Mapping[str, Any] | None = None,
    ) -> Consumer:
        return MemoryConsumer(
            self.cluster,
            self._process,
            self.faults,
            group,
            isolation=isolation,
            exclusive=exclusive,
            partition_eof=bool((overrides or {}).get("enable.partition.eof", False)),
            waits=self._waits,
        )

    def producer(self, transactional_id: str | None, overrides: Mapping[str, Any] | None = None) -> MemoryProducer:
        return MemoryProducer(self.cluster, self._process, self.faults, transactional_id, overrides or {})

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        with self.cluster.changed:
            for spec in specs:
                self.cluster.create(spec)

    def topic_states(
        self,
        names: Sequence[str],
        config_keys: Sequence[str] = (),
        *,
        timeout: float = ADMIN_TIMEOUT_SECONDS,  # noqa: ARG002 - it answers at once
    ) -> dict[str, TopicState]:
        with self.cluster.changed:
            return {
                name: TopicState(
                    name,
                    len(topic.logs),
                    {key: topic.config[key] for key in config_keys if key in topic.config},
                )
                for name, topic in self.cluster.topics.items()
                if name in names
            }

    def configure_topic(self, topic: str, config: Mapping[str, str]) -> None:
        with self.cluster.changed:
            self.cluster.topics[topic].config.update(config)

    def end_offsets(self, topic: str) -> dict[int, int]:
        with self.cluster.changed:
            self.cluster.tick()
            partitions = range(self.cluster.partitions().get(topic, 0))
            return {p: self.cluster.log(topic, p).stable_end for p in partitions}

    def compact(self, topic: str, *, drop_tombstones: bool = False) -> None:
        """Runs the log cleaner."""
        with self.cluster.changed:
            for log in self.cluster.topics[topic].logs:
                log.compact(drop_tombstones=drop_tombstones)

    def add_partitions(self, topic: str, total: int) -> None:
        """Gives a topic more partitions."""
        with self.cluster.changed:
            self.cluster.add_partitions(topic, total)

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Deletes the records of a partition before an offset, as retention does."""
        with self.cluster.changed:
            self.cluster.log(topic, partition).delete_before(before)

    def evict(self, group: str) -> None:
        """Removes all members of a group, as the broker does with processes that have not polled for too long."""
        with self.cluster.changed:
            for member in list(self.cluster.group(group).members):
                self.cluster.leave(group, member)
