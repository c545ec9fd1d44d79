"""Records that could not be carried out, kept unchanged with the reason."""

from interlock.schemas import catalogue
from interlock.schemas.dead_letters import Source, dead_letter
from interlock.streams.ports import Broker, Message
from interlock.streams.sending import Outgoing, send_and_wait

# Longer than a broker's hiccup; partitions may have to be given back meanwhile.
_DELIVERY_SECONDS = 10.0


class DeadLetters:
    """Writes to `dead-letter`; after a crash a dead letter may be there twice."""

    def __init__(self, broker: Broker, step: str) -> None:
        """`step`: what gave up on the record, for example webhooks."""
        self._step = step
        self._producer = broker.producer(None, {"message.timeout.ms": int(_DELIVERY_SECONDS * 1000)})

    def put(self, message: Message, code: str, reason: str) -> None:
        """Returns when the dead letter is stored; raises KafkaException."""
        key, value, headers = dead_letter(Source.of(message), code, reason, self._step)
        letter = Outgoing(catalogue.DEAD_LETTER.name, key, value, [*headers])
        send_and_wait(self._producer, [letter], _DELIVERY_SECONDS)
