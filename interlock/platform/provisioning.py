"""What must exist before the roles run: topics, schemas and tables."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from interlock.errors import InterlockError
from interlock.platform.connection import Platform
from interlock.schemas import catalogue

if TYPE_CHECKING:
    from interlock.platform.registry import Registry
    from interlock.streams.ports import TopicSpec
    from interlock.streams.topics import TopicReport

MIN_INSYNC_REPLICAS = "min.insync.replicas"


def create_topics(platform: Platform, *, partitions: int | None = None, replication: int = 1) -> list[str]:
    """Creates what is missing and lets the broker's clock set the time of records; returns a line for each topic that
    was created, corrected or differs from the catalogue.

    With 3 replicas a record is acknowledged when 2 have it: one broker may be away and a second one be lost without the
    loss of a record."""
    from interlock.streams.ports import TopicSpec
    from interlock.streams.topics import ensure_topics

    specs = []
    for topic in catalogue.TOPICS:
        spec = topic if partitions is None or topic.partitions == 1 else replace(topic, partitions=partitions)
        config = {**spec.config(), MIN_INSYNC_REPLICAS: str(max(1, replication - 1))}
        specs.append(TopicSpec(spec.name, spec.partitions, config, replication))
    report = ensure_topics(platform.serving_kafka(), specs, correct=[catalogue.TIMESTAMP_TYPE])
    return [
        *(f"created {name}" for name in report.created),
        *(f"topic {change.topic}: {change.setting} is now {change.expected}" for change in report.corrected),
        *map(str, report.differences),
    ]


def alter_topics(platform: Platform, *, deleting: bool, apply: bool) -> "TopicReport":
    """Gives existing topics the configuration of the catalogue; see `interlock.streams.topics.alter_topics`."""
    from interlock.streams.topics import alter_topics as alter

    return alter(platform.serving_kafka(), topic_specs(), deleting=deleting, apply=apply)


def topic_specs() -> "list[TopicSpec]":
    """The topics of the catalogue with the partitions and settings that it gives them."""
    from interlock.streams.ports import TopicSpec

    return [TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS]


def record_schemas(platform: Platform) -> list[str]:
    """Records the schemas of this version, so that older processes can read what newer ones write; returns a line for
    each that was not there. Raises InterlockError where decisions of producers would be taken for those of ours."""
    from interlock.streams.schema_topic import record_own

    if platform.registry is not None:
        _check_first_id(platform.registry)
    return record_own(platform.serving_kafka())


def _check_first_id(registry: "Registry") -> None:
    """Interlock's clients write decisions under an id that a registry may have given to another schema."""
    from interlock.schemas import avro_schemas

    ours = avro_schemas.versions("Decision")[0]
    theirs = registry.find(f"registry/{ours.id}")
    if theirs is None or avro_schemas.fingerprint_of(theirs) == ours.fingerprint:
        return
    document = json.loads(theirs)
    if isinstance(document, dict) and document.get("name", "").rpartition(".")[2] == ours.name:
        raise InterlockError(
            f"the schema registry at {registry.address} has another Decision under id {ours.id}, which Interlock's own "
            "clients write: the decisions of both could not be told apart. Register the producers' schema again where "
            "it gets another id: in a context, or in a registry that `interlock schemas publish` has filled first."
        )


def migrate(platform: Platform) -> list[str]:
    """Brings the tables up to date; returns the names of the migrations applied."""
    from interlock.sinks.migrate import migrate as apply

    configured = platform.settings.clickhouse
    return apply(platform.clickhouse(), cluster=configured.cluster, durable=configured.durable)


def prepare(platform: Platform) -> None:
    """All of it, as the roles of a local instance need it; topics and tables at once, as two servers make them."""
    with ThreadPoolExecutor(1) as executor:
        tables = executor.submit(migrate, platform)
        create_topics(platform)
        record_schemas(platform)
        tables.result()
