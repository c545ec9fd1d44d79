"""The reader of resolutions and replies that all waiting callers of a client share."""

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

# The resolutions of other clients' decisions are read as well: everything that came meanwhile is taken at once.
_BATCH_SIZE = 10_000

# How long a cluster may need to elect leaders after it has started or created the topics.
_START_TIMEOUT_SECONDS = 30.0
_START_PAUSE_SECONDS = 0.1

# Closing waits for one poll and for the consumer to leave.
_SHUTDOWN_TIMEOUT_SECONDS = 10.0


class Listener:
    """Reads in a thread of its own from its construction until it is closed or broken.

    It reads whole topics, all partitions that exist at its construction, because resolutions are keyed like
    decisions: a client that waits for one decision receives all, and drops the others by key without decoding them.
    """

    def __init__(
        self, broker: Broker, producer: Producer, pending: PendingDecisions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`pending`: what receives the resolutions that come from now on. Raises KafkaException."""
        states = broker.topic_states([topic.name for topic in _TOPICS])
        missing = [topic.name for topic in _TOPICS if topic.name not in states]
        if missing:
            absent = f"topic {', '.join(missing)} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        self._consumer = broker.consumer(None)
        # Offsets rather than "the end", which librdkafka would look up later, perhaps after the resolution.
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
        self.pending = pending
        self._clock = clock
        self._stop = threading.Event()
        self.broken = False
        self._thread = threading.Thread(target=self._run, name="interlock-waiting", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops reading; all pending decisions fail."""
        self._stop.set()
        self._thread.join(_SHUTDOWN_TIMEOUT_SECONDS)
        self.pending.fail("closed", "the client was closed. It may be decided all the same.")

    def _run(self) -> None:
        try:
            next_check = 0.0
            while not self._stop.is_set():
                self._poll()
                now = self._clock()
                if now >= next_check:
                    next_check = now + _POLL_INTERVAL_SECONDS
                    for ask in self.pending.advance(now):
                        self._ask(ask)
        except Exception as error:
            self.broken = True
            reason = error.args[0].str() if isinstance(error, KafkaException) else repr(error)
            log.warning("waiting for decisions ends: %s", reason, exc_info=not isinstance(error, KafkaException))
            self.pending.fail(
                "not-listening", f"its resolution cannot be read any more ({reason}). It may be decided all the same."
            )
        finally:
            self._consumer.close()

    def _poll(self) -> None:
        # The first call asks for one message: consume() waits until it has as many as requested.
        messages = [*self._consumer.consume(1, _POLL_INTERVAL_SECONDS)]
        if messages:
            messages += self._consumer.consume(_BATCH_SIZE, 0)
        for record in records_of(messages):
            if self.pending.awaits(record.key()):
                self._take(record)

    def _take(self, message: Message) -> None:
        topic, value = message.topic(), message.value()
        if value is None:  # the tombstone of a resolution
            return
        try:
            if topic == catalogue.REPLIES.name:
                self.pending.reply(wire.decode("CommandReply", value))
            elif topic == catalogue.RESOLUTIONS.name:
                self.pending.resolve(DecisionResult.from_resolution(wire.decode("Resolution", value)))
            else:
                self.pending.resolve(DecisionResult.from_routed(wire.decode("RoutedDecision", value)))
        except ValueError as error:  # one unreadable record must not stop the others
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
        except (BufferError, KafkaException) as error:  # the caller gets an error when the grace period ends
            log.warning("the desk could not be asked about %s: %s", ask.decision_id, error)


def end_of(consumer: Consumer, partition: TopicPartition) -> int:
    """The offset after the last readable record of the partition. Raises KafkaException."""
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while True:
        try:
            return consumer.get_watermark_offsets(partition, _START_TIMEOUT_SECONDS)[1]
        except KafkaException as error:
            if error.args[0].code() in FATAL_CODES or time.monotonic() > deadline:
                raise
            time.sleep(_START_PAUSE_SECONDS)
