"""Publishes the roster that the desk reads."""

from collections.abc import Iterable
from typing import Any

from interlock.errors import UnavailableError
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker

# Longer than a broker's restart.
DELIVERY_TIMEOUT_SECONDS = 30.0


def publish_reviewers(broker: Broker, records: Iterable[dict[str, Any]]) -> None:
    """Publishes `Reviewer` records, which replace those of the same id; UnavailableError if Kafka does not take all."""
    _publish(broker, [(record["id"], wire.encode("Reviewer", record)) for record in records])


def remove_reviewers(broker: Broker, ids: Iterable[str]) -> None:
    """Removes people: the desk returns what they hold to its queue."""
    _publish(broker, [(name, None) for name in ids])


def _publish(broker: Broker, records: list[tuple[str, bytes | None]]) -> None:
    failures: list[str] = []
    producer = broker.producer(None, {"delivery.report.only.error": False})
    for key, value in records:
        producer.produce(
            catalogue.REVIEWERS.name,
            value,
            key.encode(),
            on_delivery=lambda error, _: failures.append(error.str()) if error else None,
        )
    if producer.flush(DELIVERY_TIMEOUT_SECONDS) or failures:
        raise UnavailableError(f"Kafka did not take the roster: {', '.join(failures) or 'no answer'}")
