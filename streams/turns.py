"""One writer at a time: what was read of a topic is still so when the records that follow from it are written.

Kafka has no compare-and-set, but it fences: of two writers with one transactional id the later ends the transaction of
the earlier. So whoever commits has read everything that was committed before, and nobody has written in between.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.errors import InterlockError, UnavailableError
from interlock.schemas.catalogue import Topic
from interlock.streams.consuming import records_of
from interlock.streams.ports import Broker, Headers, Message, Partition, Producer
from interlock.streams.ranges import READ_ONCE

# Longer than a broker's restart.
TIMEOUT_SECONDS = 30.0

# Some milliseconds, but where somebody else's transaction is open on the same partition: the change is made all the
# same, and seen when that ends.
_VISIBLE_SECONDS = 2.0
_POLL_SECONDS = 0.02

# Of every record, to know where it stands.
_REPORTED: Mapping[str, Any] = {"delivery.report.only.error": False}

# A newer producer of the same transactional id has come.
FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})


class TurnLostError(InterlockError):
    """Somebody else wrote at the same time: nothing was written here; read again, then repeat."""


class Turn:
    """Records that are written together when the turn ends."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self.places: dict[Partition, int] = {}
        """By partition, the offset of the first record, as soon as Kafka has it."""
        self.refusal: KafkaError | None = None
        """Why Kafka did not take a record; a commit that fails for it says nothing of that."""

    def write(self, topic: Topic, key: str, value: bytes | None, headers: Headers | None = None) -> None:
        """`value` None: a tombstone."""
        self._producer.produce(topic.name, value, key.encode(), on_delivery=self._stored, headers=headers)

    def _stored(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.places.setdefault((message.topic(), message.partition()), message.offset())
        elif self.refusal is None:
            self.refusal = self._producer.explained(error, [message.topic()])


@contextmanager
def turn(broker: Broker, subject: str) -> Iterator[Turn]:
    """The turn of one writer on `subject`; what it must know is to be read inside. An error inside: nothing is written.
    Afterwards whoever reads sees what was written.

    Raises TurnLostError, and UnavailableError where it is unknown whether Kafka has the records.
    """
    producer = broker.producer(f"interlock-turn-{subject}", _REPORTED)
    mine = Turn(producer)
    try:
        producer.init_transactions(TIMEOUT_SECONDS)
        producer.begin_transaction()
        try:
            yield mine
            producer.flush(TIMEOUT_SECONDS)  # so that the places are known; what fails, fails the commit
        except BaseException:
            # Left open, the transaction would keep readers waiting until its time-out.
            _abort(producer)
            raise
        producer.commit_transaction(TIMEOUT_SECONDS)
        _wait_until_visible(broker, mine.places)
    except KafkaException as error:
        if error.args[0].code() in FENCED:
            raise TurnLostError(
                f"somebody else changed the {subject} at the same moment; nothing was changed here: look again"
            ) from error
        reason = mine.refusal or error.args[0]
        raise UnavailableError(f"Kafka did not take the change of the {subject}: {reason.str()}") from error


def _abort(producer: Producer) -> None:
    with suppress(KafkaException):  # the error that led here says more
        producer.abort_transaction(TIMEOUT_SECONDS)


def _wait_until_visible(broker: Broker, places: Mapping[Partition, int]) -> None:
    """A commit is final some milliseconds before all partitions show it: who reads at once would see what was."""
    unseen = set(places)
    deadline = time.monotonic() + _VISIBLE_SECONDS
    with closing(broker.consumer(None, overrides=READ_ONCE)) as consumer:
        consumer.assign([TopicPartition(*place, offset) for place, offset in places.items()])
        while unseen and time.monotonic() < deadline:
            for record in records_of(consumer.consume(len(places), _POLL_SECONDS)):
                unseen.discard((record.topic(), record.partition()))
