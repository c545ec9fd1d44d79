"""The ClickHouse sink as a service: every topic to its table, exactly once."""

import threading

import structlog

from interlock.errors import OperatorRequiredError
from interlock.operations.audit_trail import publisher
from interlock.platform.connection import Platform
from interlock.platform.trail_keys import trail_signer
from interlock.schemas import catalogue
from interlock.services.anchoring import Anchoring, latest_anchor
from interlock.services.endpoint import serve
from interlock.services.finding_alerts import expired_teller
from interlock.services.liveness import watch_role
from interlock.services.resting import fetching
from interlock.services.retry import wait_until_available
from interlock.sinks.failures import SinkStoppedError
from interlock.sinks.stream_ids import stream_ids
from interlock.sinks.trail.anchors import AnchorSigner
from interlock.sinks.writer import SinkSettings, SinkWriter
from interlock.streams.metrics import Metrics

log = structlog.get_logger()


def run(platform: Platform, stop: threading.Event) -> None:
    """Copies every topic to ClickHouse, exactly once."""

    metrics = Metrics("sink")
    metrics.expose("messages_in", "batches", "unavailable", "lag", "assigned_partitions")
    signer = trail_signer(platform)
    sink = wait_until_available(lambda: writer(platform, metrics), stop)
    if sink is None:
        return
    # While ClickHouse refuses rows it is tried again and again, which a restart would only begin anew.
    health = watch_role(platform, "sink", stop, lambda: metrics.value("unavailable"))
    serve(metrics, platform.settings, health=health)
    log.info("sink runs", kafka=platform.bootstrap_servers)
    if signer is None:
        log.warning(
            "nothing signs the audit trail: set INTERLOCK_TRAIL__SIGNING_KEY_FILE, or whoever can write ClickHouse can "
            "replace its whole history"
        )
    anchoring = None if signer is None else wait_until_available(lambda: anchors(platform, signer), stop)
    try:
        sink.run(stop, lambda last: None if anchoring is None else anchoring.look(lambda: sink.heads, last=last))
    except SinkStoppedError as error:
        raise OperatorRequiredError(str(error)) from error
    log.info("sink stopped")


def anchors(platform: Platform, signer: AnchorSigner) -> Anchoring:
    """What signs the trail. Raises UnavailableError or KafkaException if Kafka is not there."""
    kafka, trail = platform.serving_kafka(), platform.settings.trail
    return Anchoring(
        signer,
        publisher(kafka, trail.anchor_directory),
        name=f"sink-{platform.settings.instance_id}",
        previous=latest_anchor(kafka),
        seconds=trail.anchor_seconds,
    )


def writer(platform: Platform, metrics: Metrics) -> SinkWriter:
    """The sink, ready to run. Raises UnavailableError or KafkaException if Kafka or ClickHouse is not there."""
    kafka = platform.serving_kafka()
    topics = [topic.name for topic in catalogue.STORED_TOPICS]
    settings = SinkSettings(stream_ids(platform.admin(), topics), flush_seconds=platform.settings.sink.flush_seconds)
    return SinkWriter(
        kafka,
        platform.clickhouse(),
        settings,
        consumer_overrides=fetching(platform),
        metrics=metrics,
        on_expired=expired_teller(kafka, "sink", catalogue.SINK_GROUP),
        keys=platform.keys_to_seal,
    )
