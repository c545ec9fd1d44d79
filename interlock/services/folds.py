"""Folds as services: follow a topic until told to stop, and start again after an outage."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import structlog
from confluent_kafka import KafkaError, KafkaException

from interlock.errors import OperatorRequiredError
from interlock.platform.connection import Platform
from interlock.schemas import catalogue, wire
from interlock.schemas.error_headers import read_error_headers
from interlock.services.liveness import watch_role
from interlock.services.resting import fold_heartbeats
from interlock.services.retry import UNAVAILABLE, Waiting, text_of
from interlock.streams.errors import FATAL_CODES
from interlock.streams.folding import Fold, FoldSettings, Output, Record, Tick, TickingFold, run_fold
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker

log = structlog.get_logger()

DAY = 86_400_000_000  # microseconds


def follow(
    platform: Platform,
    group: str,
    topic: str,
    outputs: Sequence[str],
    make: Callable[[Broker], AbstractContextManager[Fold]],
    metrics: Metrics,
    stop: threading.Event,
    max_replay_offsets: int | None = None,
) -> None:
    """Runs a fold of `topic` until `stop` is set. When Kafka or ClickHouse fail, it starts again with a new one.

    `max_replay_offsets`: as in FoldSettings. Raises InterlockError where only a person can help.
    """
    metrics.expose("unavailable", "replayed", "messages_in", "messages_out")
    waiting = Waiting(f"{group}: following {topic}")
    while not stop.is_set():
        try:
            broker = platform.serving_kafka()
            settings = FoldSettings(
                group,
                topic,
                platform.bootstrap_servers,
                platform.kafka_properties,
                platform.settings.instance_id,
                max_replay_offsets=max_replay_offsets,
                **fold_heartbeats(platform),
            )
            if missing := {topic, *outputs} - broker.topic_states([topic, *outputs]).keys():
                absent = f"topic {', '.join(sorted(missing))} does not exist: create the topics first"
                raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
            with make(broker) as fold:
                log.info("follows", topic=topic, group=group, kafka=platform.bootstrap_servers)
                tick = counted_tick(fold.tick, metrics) if isinstance(fold, TickingFold) else None
                run_fold(settings, broker, counted(fold, metrics, waiting.succeeded), stop, tick)
        except UNAVAILABLE as error:
            if isinstance(error, KafkaException) and error.args[0].code() in FATAL_CODES:
                raise OperatorRequiredError(f"{group} stops: {text_of(error)}") from error
            metrics.add("unavailable")
            waiting.failed(error, stop)
    log.info("stopped", topic=topic, group=group)


def microseconds() -> int:
    """The time, since the epoch, by the clock of this process."""
    return time.time_ns() // 1_000


def watch_fold(platform: Platform, role: str, metrics: Metrics, stop: threading.Event) -> Callable[[], str | None]:
    """As `watch_role`; reading the state back and waiting for Kafka or ClickHouse is no standing still."""
    return watch_role(platform, role, stop, lambda: metrics.value("replayed") + metrics.value("unavailable"))


def counted_tick(tick: Tick, metrics: Metrics) -> Tick:
    """`tick`, with its outputs counted."""

    def process() -> list[Output]:
        outputs = [Output(*output) for output in tick()]
        _count(outputs, metrics)
        return outputs

    return process


def counted(fold: Fold, metrics: Metrics, on_record: Callable[[], None]) -> Fold:
    """`fold`, with its records and outputs counted; calls `on_record` for every record that is not replayed."""

    def process(record: Record) -> list[Output]:
        outputs = [Output(*output) for output in fold(record)]
        if record.replayed:
            metrics.add("replayed")
        else:
            on_record()
            metrics.add("messages_in")
            _count(outputs, metrics)
        return outputs

    return process


def _count(outputs: Sequence[Output], metrics: Metrics) -> None:
    metrics.add("messages_out", len(outputs))
    for output in outputs:
        if output.topic == catalogue.DEAD_LETTER.name:
            metrics.add("dead_letters", reason=read_error_headers(output.headers).get("exception", ""))
        elif output.topic == catalogue.DRIFT_SIGNALS.name and output.value is not None:
            metrics.add("drift_signals", monitor=wire.decode_plain("DriftSignal", output.value)["monitor"])
