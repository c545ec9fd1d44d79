"""Whether Kafka and ClickHouse agree, on the platform this process is told to use."""

from interlock.platform.connection import Platform
from interlock.schemas import catalogue
from interlock.sinks.reconcile import Reconciliation
from interlock.sinks.reconcile import reconcile as compare
from interlock.sinks.stream_ids import stream_ids


def reconcile(platform: Platform) -> Reconciliation:
    """Compares every topic and table."""
    kafka = platform.serving_kafka()
    states = kafka.topic_states([topic.name for topic in catalogue.TOPICS])
    return compare(
        kafka,
        platform.clickhouse(),
        partitions={name: state.partitions for name, state in states.items()},
        stream_ids=stream_ids(platform.admin(), states),
    )
