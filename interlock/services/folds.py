"""Folds as services: follow a topic until told to stop, and begin again after an outage."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import structlog
from confluent_kafka import KafkaError, KafkaException

from interlock.errors import OperatorRequiredError, UnavailableError
from interlock.platform.connection import Platform
from interlock.schemas import catalogue
from interlock.schemas.error_headers import read_error_headers
from interlock.services.retry import PAUSE_SECONDS
from interlock.streams.errors import FATAL_CODES
from interlock.streams.folding import Fold, FoldSettings, Output, Record, run_fold
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker

log = structlog.get_logger()


def follow(
    platform: Platform,
    group: str,
    topic: str,
    outputs: Sequence[str],
    make: Callable[[Broker], AbstractContextManager[Fold]],
    metrics: Metrics,
    stop: threading.Event,
    reach: int | None = None,
) -> None:
    """Runs a fold of `topic` until `stop` is set. After trouble with Kafka or ClickHouse it begins anew with a new one.

    `reach`: as in FoldSettings. Raises InterlockError where only a person can help.
    """
    said = ""
    while not stop.is_set():
        try:
            broker = platform.serving_kafka()
            settings = FoldSettings(
                group,
                topic,
                platform.bootstrap_servers,
                platform.settings.kafka.properties,
                platform.settings.instance_id,
                reach=reach,
            )
            if missing := {topic, *outputs} - broker.topic_states([topic, *outputs]).keys():
                absent = f"topic {', '.join(sorted(missing))} does not exist: create the topics first"
                raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
            with make(broker) as fold:
                log.info("follows", topic=topic, group=group, kafka=platform.bootstrap_servers)
                run_fold(settings, broker, counted(fold, metrics), stop)
        except (KafkaException, UnavailableError) as error:
            if isinstance(error, KafkaException):
                reason = error.args[0].str()
                if error.args[0].code() in FATAL_CODES:
                    raise OperatorRequiredError(f"{group} stops: {reason}") from error
            else:
                reason = str(error)
            metrics.add("unavailable")
            if reason != said:
                log.warning("waiting", reason=reason, trying_again_every=f"{PAUSE_SECONDS:g} s")
            said = reason
            stop.wait(PAUSE_SECONDS)
    log.info("stopped", topic=topic, group=group)


def counted(fold: Fold, metrics: Metrics) -> Fold:
    """Counts the records that `fold` reads and writes."""

    def process(record: Record) -> list[Output]:
        outputs = [Output(*output) for output in fold(record)]
        if not record.replayed:
            metrics.add("messages_in")
            metrics.add("messages_out", len(outputs))
            for output in outputs:
                if output.topic == catalogue.DEAD_LETTER.name:
                    metrics.add("dead_letters", reason=read_error_headers(output.headers).get("exception", ""))
        return outputs

    return process
