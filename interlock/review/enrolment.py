"""Publishes the roster that the desk reads."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaException

from interlock.errors import UnavailableError
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker
from interlock.streams.sending import Outgoing, send_and_wait

# Longer than a broker's restart.
DELIVERY_TIMEOUT_SECONDS = 30.0


def publish_reviewers(broker: Broker, records: Iterable[dict[str, Any]]) -> None:
    """Publishes `Reviewer` records, which replace those of the same id; UnavailableError if Kafka does not take all."""
    _publish(broker, [(record["id"], wire.encode("Reviewer", record)) for record in records])


def remove_reviewers(broker: Broker, ids: Iterable[str]) -> None:
    """Removes people: the desk returns what they hold to its queue."""
    _publish(broker, [(name, None) for name in ids])


def _publish(broker: Broker, records: list[tuple[str, bytes | None]]) -> None:
    outgoing = [Outgoing(catalogue.REVIEWERS.name, key.encode(), value) for key, value in records]
    try:
        send_and_wait(broker.producer(None), outgoing, DELIVERY_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise UnavailableError(f"Kafka did not take the roster: {error.args[0].str()}") from error
