"""What must exist before the roles run: topics, schemas and tables."""

from dataclasses import replace

from interlock.platform.connection import Platform
from interlock.schemas import catalogue

MIN_INSYNC_REPLICAS = "min.insync.replicas"


def create_topics(platform: Platform, *, partitions: int | None = None, replication: int = 1) -> list[str]:
    """Creates what is missing; returns a line for each topic created or different from the catalogue.

    With 3 replicas a record is acknowledged when 2 have it: one broker may be away and a second one be lost without the
    loss of a record."""
    from interlock.streams.ports import TopicSpec
    from interlock.streams.topics import ensure_topics

    specs = []
    for topic in catalogue.TOPICS:
        spec = topic if partitions is None or topic.partitions == 1 else replace(topic, partitions=partitions)
        config = {**spec.config(), MIN_INSYNC_REPLICAS: str(max(1, replication - 1))}
        specs.append(TopicSpec(spec.name, spec.partitions, config, replication))
    report = ensure_topics(platform.serving_kafka(), specs)
    return [f"created {name}" for name in report.created] + [str(difference) for difference in report.differences]


def record_schemas(platform: Platform) -> list[str]:
    """Records the schemas of this version, so that older processes can read what newer ones write; returns a line for
    each that was not there."""
    from interlock.streams.schema_topic import record_own

    return record_own(platform.serving_kafka())


def migrate(platform: Platform) -> list[str]:
    """Brings the tables up to date; returns the names of the migrations applied."""
    from interlock.sinks.migrate import migrate as apply

    configured = platform.settings.clickhouse
    return apply(platform.clickhouse(), cluster=configured.cluster, durable=configured.durable)
