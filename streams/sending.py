"""Sending records outside of transactions, and waiting until Kafka has acknowledged them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from interlock.streams.ports import Headers, Producer


class Outgoing(NamedTuple):
    """A record to send. `value` None: a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None = None
    partition: int = -1  # that of the key


def send_and_wait(producer: Producer, records: Iterable[Outgoing], timeout: float) -> None:
    """Returns when every record is stored. Raises KafkaException if one is refused or not acknowledged in `timeout`
    seconds; some may be stored nevertheless, but none is sent any more afterwards.

    `producer` MUST have nothing else in its queue.
    """
    failures: list[KafkaError] = []

    def note(error: KafkaError | None, message: Any) -> None:
        if error is not None:
            failures.append(producer.explained(error, [message.topic()]))

    try:
        for record in records:
            producer.produce(
                record.topic,
                record.value,
                record.key,
                record.partition,
                on_delivery=note,
                headers=record.headers,
            )
        if producer.flush(timeout):
            late = KafkaError(KafkaError._TIMED_OUT, f"no acknowledgement within {timeout:g} s")
            failures.append(producer.explained(late, ()))
    except BufferError as error:
        producer.purge()
        raise KafkaException(KafkaError(KafkaError._QUEUE_FULL, "too many records at once")) from error
    except KafkaException:
        producer.purge()
        raise
    if failures:
        producer.purge()  # a record that is still queued would be sent although the caller was told that it was not
        raise KafkaException(failures[0])
