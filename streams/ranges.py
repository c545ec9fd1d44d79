"""The records of one partition between two offsets, read again."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.streams.errors import FATAL_CODES
from interlock.streams.ports import Broker, Message

# Longer than a broker's restart; then a person should know.
PATIENCE_SECONDS = 60.0

_AT_ONCE = 10_000


def records_between(
    broker: Broker, topic: str, partition: int, start: int, end: int, stop: threading.Event
) -> Iterator[Message]:
    """Committed records from offset `start` (or the oldest there is) up to `end`, which MUST be that of a record.

    Ends early when `stop` is set. Raises KafkaException, also where Kafka does not deliver what it has.
    """
    with closing(broker.consumer(None)) as consumer:
        consumer.assign([TopicPartition(topic, partition, start)])
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not stop.is_set():
            messages = consumer.consume(_AT_ONCE, 0.2)
            for message in messages:
                error = message.error()
                if error is None:
                    if message.offset() >= end:
                        return
                    yield message
                elif error.fatal() or error.code() in FATAL_CODES:
                    raise KafkaException(error)
                # Anything else is a passing trouble of the network, which librdkafka reports and retries itself.
            if messages:
                deadline = time.monotonic() + PATIENCE_SECONDS
            elif time.monotonic() > deadline:
                silence = f"{topic}[{partition}] was not delivered up to offset {end} within {PATIENCE_SECONDS:g} s"
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, silence))
