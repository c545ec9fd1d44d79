"""The sink and its reconciliation, wired to Kafka and ClickHouse."""

from typing import TYPE_CHECKING

from schemas import catalogue
from sinks.reconcile import Reconciliation
from sinks.reconcile import reconcile as compare
from sinks.stream_ids import stream_ids
from sinks.writer import GROUP, SinkSettings, SinkWriter

if TYPE_CHECKING:
    from interlock.connect import Platform
    from streams.metrics import Metrics

TOPICS = [topic.name for topic in catalogue.TOPICS]


def writer(platform: "Platform", metrics: "Metrics") -> SinkWriter:
    """The sink, ready to run. Raises UserError or KafkaException if Kafka or ClickHouse is not there."""
    kafka = platform.serving_kafka()
    settings = SinkSettings(stream_ids(platform.admin(), TOPICS), flush_seconds=platform.settings.sink.flush_seconds)
    return SinkWriter(kafka.consumer(GROUP), platform.clickhouse(), settings, metrics=metrics)


def reconcile(platform: "Platform") -> Reconciliation:
    """Compares everything."""
    kafka = platform.serving_kafka()
    states = kafka.topic_states(TOPICS)
    return compare(
        lambda group: kafka.consumer(group, overrides={"enable.partition.eof": True}),
        platform.clickhouse(),
        partitions={name: state.partitions for name, state in states.items()},
        stream_ids=stream_ids(platform.admin(), states),
    )
