"""What could not be carried out, put aside unchanged with the reason."""

from confluent_kafka import KafkaError, KafkaException

from interlock.schemas import catalogue
from interlock.schemas.error_headers import with_error_headers
from interlock.streams.ports import Broker, Message

# Longer than a broker's hiccup; partitions may have to be given back meanwhile.
_DELIVERY_SECONDS = 10.0


class DeadLetters:
    """Writes to `dead-letter`; a letter may stand there twice after a crash."""

    def __init__(self, broker: Broker, step: str) -> None:
        """`step`: who puts it aside, for example webhooks."""
        self._step = step
        self._producer = broker.producer(None, {"message.timeout.ms": int(_DELIVERY_SECONDS * 1000)})

    def put(self, message: Message, code: str, reason: str) -> None:
        """Returns when the letter is stored; raises KafkaException."""
        headers = with_error_headers(
            message.headers(),
            reason=code,
            message=reason,
            topic=message.topic(),
            partition=message.partition(),
            offset=message.offset(),
            step=self._step,
        )
        failures: list[KafkaError] = []
        self._producer.produce(
            catalogue.DEAD_LETTER.name,
            message.value(),
            message.key(),
            on_delivery=lambda error, _: failures.append(error) if error is not None else None,
            headers=[*headers],
        )
        try:
            if self._producer.flush(_DELIVERY_SECONDS):
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no acknowledgement in time"))
        except KafkaException:
            self._producer.purge()  # it is put aside again later, and should not stand there twice
            raise
        if failures:
            raise KafkaException(failures[0])
