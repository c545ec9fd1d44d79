"""Three real brokers that are one cluster, on this machine."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import AdminClient

from interlock.streams.embedded_kafka import BrokerSettings, EmbeddedKafka, free_port
from interlock.streams.embedded_kafka.launch import new_cluster_id

NODES = 3

# Three of them share a small machine, and start at the same time.
HEAP = "256m"
START_SECONDS = 300.0


class KafkaCluster:
    """Every node is broker and controller; topics that name no replication get one replica."""

    def __init__(self, directory: Path) -> None:
        ports: list[int] = []
        while len(ports) < 2 * NODES:
            if (port := free_port()) not in ports:
                ports.append(port)
        controllers, cluster_id = tuple(ports[:NODES]), new_cluster_id()
        self.nodes = [
            EmbeddedKafka(
                BrokerSettings(
                    directory / f"node-{number}",
                    ports[NODES + number - 1],
                    controllers[number - 1],
                    HEAP,
                    cluster=controllers,
                    node_id=number,
                    cluster_id=cluster_id,
                ),
                START_SECONDS,
            )
            for number in range(1, NODES + 1)
        ]
        self._admin: AdminClient | None = None

    @property
    def bootstrap_servers(self) -> str:
        return ",".join(node.bootstrap_servers for node in self.nodes)

    def __enter__(self) -> Self:
        try:
            # None of them serves before two are there.
            self._each(EmbeddedKafka.start)
        except BaseException:
            self._each(EmbeddedKafka.kill)
            raise
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._each(EmbeddedKafka.kill)

    def is_whole(self) -> bool:
        """Whether every replica of every partition is in sync: then any one broker may go."""
        assert self._admin is not None
        topics = self._admin.list_topics(timeout=30).topics.values()
        return all(
            len(partition.isrs) == len(partition.replicas)
            for topic in topics
            for partition in topic.partitions.values()
        )

    def _each(self, act: Callable[[EmbeddedKafka], None]) -> None:
        with ThreadPoolExecutor(NODES) as threads:
            for done in [threads.submit(act, node) for node in self.nodes]:
                done.result()
