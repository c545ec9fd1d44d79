"""Whether what Kafka acknowledges is on more than one disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from interlock.platform.connection import Platform
from interlock.platform.provisioning import MIN_INSYNC_REPLICAS
from interlock.schemas import catalogue

# Where groups and transactions keep their state: what is lost there is read and written twice, or never.
INTERNAL = ("__consumer_offsets", "__transaction_state")

# Acknowledged by two, a record survives the loss of either.
_ACKNOWLEDGED_BY = 2

_REMEDY = f"For each: kafka-configs --alter --topic NAME --add-config {MIN_INSYNC_REPLICAS}={_ACKNOWLEDGED_BY}"

# With three, one may be away and two still acknowledge.
_REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Replication:
    """Of a topic: replicas of its least replicated partition, and how many of them must have a record."""

    replicas: int
    min_insync: int

    @property
    def acknowledged_by(self) -> int:
        """Brokers that have what was acknowledged, at least."""
        return min(self.replicas, self.min_insync)


def read_replication(platform: Platform) -> tuple[int, dict[str, Replication]]:
    """The number of brokers, and the replication of our topics and Kafka's own, as far as they exist."""
    cluster = platform.admin().list_topics(timeout=30)
    names = [*(topic.name for topic in catalogue.TOPICS), *INTERNAL]
    states = platform.kafka().topic_states(names, [MIN_INSYNC_REPLICAS])
    found = {
        name: Replication(
            min(len(partition.replicas) for partition in cluster.topics[name].partitions.values()),
            int(state.config.get(MIN_INSYNC_REPLICAS, "1")),
        )
        for name, state in states.items()
    }
    return len(cluster.brokers), found


def judge(brokers: int, topics: Mapping[str, Replication]) -> tuple[Literal["ok", "warning", "wrong"], str]:
    """How safe acknowledged records are, and what to do about it."""
    if brokers == 1:
        return "warning", "one broker: what it acknowledges is on one disk. Production takes three"
    few = sorted(name for name, topic in topics.items() if topic.replicas < min(_REPLICAS, brokers))
    lone = sorted(
        name for name, topic in topics.items() if topic.acknowledged_by < _ACKNOWLEDGED_BY and name not in few
    )
    stuck = sorted(
        name
        for name, topic in topics.items()
        if topic.min_insync >= topic.replicas > 1 and name not in few and brokers >= _REPLICAS
    )
    problems = []
    if few:
        problems.append(
            f"fewer than {min(_REPLICAS, brokers)} replicas: {', '.join(few)}. Add some with "
            "kafka-reassign-partitions; new topics get them from `interlock prepare --replication 3`, Kafka's own from "
            "offsets.topic.replication.factor and transaction.state.log.replication.factor"
        )
    if lone:
        problems.append(f"acknowledged by one broker alone, whose loss loses records: {', '.join(lone)}. {_REMEDY}")
    if problems:
        return "wrong", "\n".join(problems)
    if stuck:
        return "warning", (
            "nothing can be written while one broker is away, because all replicas must acknowledge: "
            f"{', '.join(stuck)}. {_REMEDY}"
        )
    return "ok", f"what {brokers} brokers acknowledge is on at least {_ACKNOWLEDGED_BY} disks"
