"""The one reader of resolutions and replies that all waiting callers of a client share."""

import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.client.pending import Ask, DecisionResult, PendingDecisions
from interlock.schemas import catalogue, wire
from interlock.streams.consuming import records_of
from interlock.streams.errors import FATAL_CODES
from interlock.streams.ports import Broker, Consumer, Message, Producer

log = logging.getLogger(__name__)

_TOPICS = (catalogue.AUTO_APPROVED, catalogue.RESOLUTIONS, catalogue.REPLIES)

# How late a time-out may be noticed.
_POLL_INTERVAL_SECONDS = 0.05

# The topics carry the decisions of all clients: one call takes everything that was routed meanwhile.
_BATCH_SIZE = 10_000

# As long as a cluster needs that has just started, or has just created the topics, to elect leaders.
_START_TIMEOUT_SECONDS = 30.0
_START_RETRY_SECONDS = 0.1

# One poll, and the consumer leaving the brokers.
_SHUTDOWN_TIMEOUT_SECONDS = 10.0


class Listener:
    """Reads in a thread of its own from the moment it is made, until it is closed or broken.

    It reads every partition that exists when it is made, because records are keyed by decision: a client that waits for
    one decision receives all of them, and drops the others by their key without decoding them.
    """

    def __init__(
        self, broker: Broker, producer: Producer, waiting: PendingDecisions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`waiting`: the callers that wait; they get every record written from now on. Raises KafkaException."""
        states = broker.topic_states([topic.name for topic in _TOPICS])
        missing = [topic.name for topic in _TOPICS if topic.name not in states]
        if missing:
            absent = f"topic {', '.join(missing)} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        self._consumer = broker.consumer(None)
        # Offsets and not "the end", which librdkafka would ask for later, perhaps after the awaited record was written.
        partitions = [
            TopicPartition(name, number) for name, state in states.items() for number in range(state.partitions)
        ]
        try:
            for partition in partitions:
                partition.offset = end_of(self._consumer, partition)
            self._consumer.assign(partitions)
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
        """Stops reading; callers that still wait get an answer that says so."""
        self._stop.set()
        self._thread.join(_SHUTDOWN_TIMEOUT_SECONDS)
        self.waiting.fail("closed", "the client was closed. It may be decided all the same.")

    def _run(self) -> None:
        try:
            next_advance = 0.0
            while not self._stop.is_set():
                self._poll()
                now = self._clock()
                if now >= next_advance:
                    next_advance = now + _POLL_INTERVAL_SECONDS
                    for ask in self.waiting.advance(now):
                        self._ask(ask)
        except Exception as error:
            self.broken = True
            reason = error.args[0].str() if isinstance(error, KafkaException) else repr(error)
            log.warning("waiting for decisions ends: %s", reason, exc_info=not isinstance(error, KafkaException))
            self.waiting.fail(
                "not-listening", f"no news of it can be received any more ({reason}). It may be decided all the same."
            )
        finally:
            self._consumer.close()

    def _poll(self) -> None:
        # One at first: consume() waits until it has as many as it was asked for.
        messages = [*self._consumer.consume(1, _POLL_INTERVAL_SECONDS)]
        if messages:
            messages += self._consumer.consume(_BATCH_SIZE, 0)
        for record in records_of(messages):
            if self.waiting.awaits(record.key()):
                self._take(record)

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
        except ValueError as error:  # one record that cannot be read must not end the waiting for others
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


def end_of(consumer: Consumer, partition: TopicPartition) -> int:
    """The offset after the last record that can be read there. Raises KafkaException."""
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        try:
            return consumer.get_watermark_offsets(partition, _START_TIMEOUT_SECONDS)[1]
        except KafkaException as error:
            if error.args[0].code() in FATAL_CODES or time.monotonic() > deadline:
                raise
            time.sleep(_START_RETRY_SECONDS)
