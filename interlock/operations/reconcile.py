"""Whether Kafka and ClickHouse agree, on the platform this process is told to use, and making them agree."""

from collections.abc import Callable

from interlock.operations.group_owners import count_members
from interlock.platform.connection import Platform
from interlock.schemas import catalogue
from interlock.sinks.reconcile import Reconciliation
from interlock.sinks.reconcile import reconcile as compare
from interlock.sinks.repair import Repair
from interlock.sinks.repair import repair as mend
from interlock.sinks.stream_ids import stream_ids


def reconcile(platform: Platform) -> Reconciliation:
    """Compares every topic and table."""
    kafka = platform.serving_kafka()
    states = kafka.topic_states([topic.name for topic in catalogue.STORED_TOPICS])
    return compare(
        kafka,
        platform.clickhouse(),
        partitions={name: state.partitions for name, state in states.items()},
        stream_ids=stream_ids(platform.admin(), states),
    )


def repair(platform: Platform, say: Callable[[str], None]) -> Repair:
    """Makes tables and roll-ups equal to what Kafka still holds. Raises SinkRunningError while a sink runs."""
    kafka = platform.serving_kafka()
    states = kafka.topic_states([topic.name for topic in catalogue.STORED_TOPICS])
    admin = platform.admin()
    return mend(
        kafka,
        platform.clickhouse(),
        partitions={name: state.partitions for name, state in states.items()},
        stream_ids=stream_ids(admin, states),
        sink_members=lambda: count_members(platform.client_properties, catalogue.SINK_GROUP),
        keys=platform.keys_to_seal,
        say=say,
    )
