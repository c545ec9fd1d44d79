"""The one reader of words and replies that all waiting callers of a client share."""

import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.client.pending import Ask, DecisionResult, PendingDecisions
from interlock.schemas import catalogue, wire
from interlock.streams.errors import FATAL_CODES
from interlock.streams.ports import Broker, Consumer, Message, Producer

log = logging.getLogger(__name__)

_TOPICS = (catalogue.AUTO_APPROVED, catalogue.RESOLUTIONS, catalogue.REPLIES)

# How late a time-out may be noticed.
_TURN_SECONDS = 0.05

# Words of others come along with ours: everything that was routed meanwhile is taken at once.
_AT_ONCE = 10_000

# As long as a cluster needs that has just started, or has just created the topics, to elect leaders.
_START_SECONDS = 30.0
_START_PAUSE_SECONDS = 0.1

# What closing waits for: one turn, and the consumer's farewell.
_CLOSE_SECONDS = 10.0


class Listener:
    """Reads in a thread of its own from the moment it is made, until it is closed or broken.

    It reads the partitions that exist when it is made, whole topics, because words are keyed like decisions: a client
    that waits for one decision is told of all, and drops the others by their key without decoding them.
    """

    def __init__(
        self, broker: Broker, producer: Producer, waiting: PendingDecisions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`waiting`: those who are told. Words given from now on are heard. Raises KafkaException."""
        states = broker.topic_states([topic.name for topic in _TOPICS])
        missing = [topic.name for topic in _TOPICS if topic.name not in states]
        if missing:
            absent = f"topic {', '.join(missing)} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        self._consumer = broker.consumer(None)
        # Offsets and not "the end", which librdkafka would ask for later, when the word may have been given.
        places = [TopicPartition(name, number) for name, state in states.items() for number in range(state.partitions)]
        try:
            for place in places:
                place.offset = end_of(self._consumer, place)
            self._consumer.assign(places)
        except KafkaException:
            self._consumer.close()
            raise
        self._producer = producer
        self.waiting = waiting
        self._clock = clock
        self._stop = threading.Event()
        self.broken = False
        self._thread = threading.Thread(target=self._run, name="interlock-waiting", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops reading; whoever waits is told."""
        self._stop.set()
        self._thread.join(_CLOSE_SECONDS)
        self.waiting.fail("closed", "the client was closed. It may be decided all the same.")

    def _run(self) -> None:
        try:
            next_turn = 0.0
            while not self._stop.is_set():
                self._hear()
                now = self._clock()
                if now >= next_turn:
                    next_turn = now + _TURN_SECONDS
                    for ask in self.waiting.advance(now):
                        self._ask(ask)
        except Exception as error:
            self.broken = True
            reason = error.args[0].str() if isinstance(error, KafkaException) else repr(error)
            log.warning("waiting for decisions ends: %s", reason, exc_info=not isinstance(error, KafkaException))
            self.waiting.fail(
                "not-listening", f"nothing can be heard of it any more ({reason}). It may be decided all the same."
            )
        finally:
            self._consumer.close()

    def _hear(self) -> None:
        # One at first: consume() waits until it has as many as it was asked for.
        messages = [*self._consumer.consume(1, _TURN_SECONDS)]
        if messages:
            messages += self._consumer.consume(_AT_ONCE, 0)
        for message in messages:
            error = message.error()
            if error is None:
                if self.waiting.awaits(message.key()):
                    self._take(message)
            elif error.fatal() or error.code() in FATAL_CODES:
                raise KafkaException(error)
            # Anything else is a passing trouble of the network, which librdkafka reports and retries itself.

    def _take(self, message: Message) -> None:
        topic, value = message.topic(), message.value()
        if value is None:  # a resolution that was forgotten
            return
        try:
            if topic == catalogue.REPLIES.name:
                self.waiting.reply(wire.decode("CommandReply", value))
            elif topic == catalogue.RESOLUTIONS.name:
                self.waiting.word(DecisionResult.from_resolution(wire.decode("Resolution", value)))
            else:
                self.waiting.word(DecisionResult.from_routed(wire.decode("RoutedDecision", value)))
        except ValueError as error:  # nobody's decision is lost by one record that cannot be read
            log.warning("%s[%d] offset %d cannot be read: %s", topic, message.partition(), message.offset(), error)

    def _ask(self, ask: Ask) -> None:
        command = {
            "command_id": ask.command_id,
            "kind": "expire",
            "actor": ask.command_id.partition("/")[0],
            "issued_at": time.time_ns() // 1000,
            "task_id": ask.decision_id,
        }
        value = wire.encode("Command", command)
        try:
            self._producer.produce(catalogue.COMMANDS.name, value, ask.decision_id.encode())
            self._producer.poll(0)
        except (BufferError, KafkaException) as error:  # the caller is told at the end of the desk's grace
            log.warning("the desk could not be asked about %s: %s", ask.decision_id, error)


def end_of(consumer: Consumer, place: TopicPartition) -> int:
    """The offset after the last record that can be read there. Raises KafkaException."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return consumer.get_watermark_offsets(place, _START_SECONDS)[1]
        except KafkaException as error:
            if error.args[0].code() in FATAL_CODES or time.monotonic() > deadline:
                raise
            time.sleep(_START_PAUSE_SECONDS)
