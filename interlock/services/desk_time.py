"""Kafka's time, as a desk asks for it when it takes over."""

from typing import Any

from confluent_kafka import KafkaError, KafkaException

from interlock.processors.desk.stream_clock import TICK, tick_record
from interlock.schemas import catalogue
from interlock.streams.ports import Broker

# As long as any other request of the desk may take (`RunnerSettings.request_seconds`).
_TIMEOUT_SECONDS = 10.0


def write_tick(broker: Broker, tick_id: str, at: int) -> int:
    """Writes a tick and returns the time that the broker gave it, in microseconds. Raises KafkaException.

    Outside any transaction: the broker's acknowledgement tells the time before anything has been read.
    """
    reports: list[tuple[KafkaError | None, Any]] = []
    producer = broker.producer(None, {"delivery.report.only.error": False})
    producer.produce(
        catalogue.COMMANDS.name,
        tick_record(tick_id, at),
        TICK.encode(),
        on_delivery=lambda failure, message: reports.append((failure, message)),
    )
    producer.flush(_TIMEOUT_SECONDS)
    if not reports:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{catalogue.COMMANDS.name} took no record in time"))
    failure, message = reports[0]
    if failure is not None:
        raise KafkaException(producer.explained(failure, [catalogue.COMMANDS.name]))
    return int(message.timestamp()[1]) * 1000
