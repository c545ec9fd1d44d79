"""One writer at a time: what was read of a topic is still so when the records that follow from it are written.

Kafka has no compare-and-set, but it fences: of two writers with one transactional id the later ends the transaction of
the earlier. So whoever commits has read everything that was committed before, and nobody has written in between.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from confluent_kafka import KafkaError, KafkaException

from interlock.errors import InterlockError, UnavailableError
from interlock.schemas.catalogue import Topic
from interlock.streams.ports import Broker, Headers, Producer

# Longer than a broker's restart.
TIMEOUT_SECONDS = 30.0

# A newer producer of the same transactional id has come.
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})


class TurnLostError(InterlockError):
    """Somebody else wrote at the same time: nothing was written here; read again, then repeat."""


class Turn:
    """Records that are written together when the turn ends."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def write(self, topic: Topic, key: str, value: bytes | None, headers: Headers | None = None) -> None:
        """`value` None: a tombstone."""
        self._producer.produce(topic.name, value, key.encode(), headers=headers)


@contextmanager
def turn(broker: Broker, subject: str) -> Iterator[Turn]:
    """The turn of one writer on `subject`; what it must know is to be read inside. An error inside: nothing is written.

    Raises TurnLostError, and UnavailableError where it is unknown whether Kafka has the records.
    """
    producer = broker.producer(f"interlock-turn-{subject}")
    try:
        producer.init_transactions(TIMEOUT_SECONDS)
        producer.begin_transaction()
        try:
            yield Turn(producer)
        except BaseException:
            # Left open, the transaction would keep readers waiting until its time-out.
            _abort(producer)
            raise
        producer.commit_transaction(TIMEOUT_SECONDS)
    except KafkaException as error:
        if error.args[0].code() in FENCED:
            raise TurnLostError(
                f"somebody else changed the {subject} at the same moment; nothing was changed here: look again"
            ) from error
        raise UnavailableError(f"Kafka did not take the change of the {subject}: {error.args[0].str()}") from error


def _abort(producer: Producer) -> None:
    with suppress(KafkaException):  # the error that led here says more
        producer.abort_transaction(TIMEOUT_SECONDS)
