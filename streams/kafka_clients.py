"""confluent_kafka's clients, changed where librdkafka may wait for ever or get no further."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as KafkaProducer

from interlock.streams import ports
from interlock.streams.consuming import any_error
from interlock.streams.forks import begin_anew_in_children, disable
from interlock.streams.kafka_trouble import RIGHTS, Troubles
from interlock.streams.unreadable_batches import UnreadableBatch, end_of_batch

log = logging.getLogger(__name__)

# A consumer that closes gives its partitions back within milliseconds, and without Kafka's help; what the revoke
# callback commits may take as long as a transaction.
GIVE_BACK_SECONDS = 15.0
POLL_SECONDS = 0.01

# A round trip, or one batch that is decompressed up to the limit.
REQUEST_SECONDS = 10.0

# A coordinator answers within milliseconds; how many events librdkafka may have told meanwhile.
_FIRST_ANSWER_SECONDS = 2.0
_EVENTS = 100

# How much longer than its time-out a request may take before it counts as never answered: a busy machine is late too.
OVERDUE_SECONDS = 2.0

# The group of consumers that join none: librdkafka wants a name, and asks Kafka who coordinates it. They neither join
# it nor commit to it, and go on without an answer.
NO_GROUP = "interlock-readers"

# A consumer that looks at one place: aborted records and the end of the partition are answers as well.
PROBE: Mapping[str, Any] = {
    "group.id": NO_GROUP,
    "isolation.level": "read_uncommitted",
    "enable.partition.eof": True,
}


# What asks Kafka for something, or waits for what a thread of librdkafka does.
_OF_CONSUMERS = (
    *("subscribe", "unsubscribe", "assign", "unassign", "assignment", "consume", "poll", "pause", "resume", "seek"),
    *("commit", "committed", "position", "get_watermark_offsets", "list_topics", "offsets_for_times"),
)
_OF_PRODUCERS = (
    *("produce", "enqueue", "poll", "flush", "purge", "list_topics", "init_transactions", "begin_transaction"),
    *("send_offsets_to_transaction", "commit_transaction", "abort_transaction"),
)


class OrderlyConsumer(KafkaConsumer):
    """Gives its partitions back before it closes, and reads on behind a batch that cannot be decompressed.

    librdkafka may wait for ever where a rebalance falls into `close` (librdkafka issue 4884; seen with 2.16: the
    rebalance callback asks a group handler that has just ended, and holds the interpreter lock meanwhile).
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._config = config
        self._troubles: Troubles = config["error_cb"]
        self._group: str = config["group.id"]
        self._subscribed: list[str] = []
        self._unreadable: list[UnreadableBatch] = []
        """What `consume` returns next, one by one: all messages of a batch are of one class."""
        self._positions: dict[ports.Partition, int] = {}
        """Of partitions that stand before an unreadable batch, or of which one was the last that was consumed."""
        begin_anew_in_children(self)

    def after_fork(self) -> None:
        disable(self, _OF_CONSUMERS)

    def subscribe(
        self, topics: list[str], on_assign: ports.RebalanceCallback | None = None, *args: Any, **callbacks: Any
    ) -> None:
        def assigned(consumer: Any, partitions: list[TopicPartition]) -> None:
            for partition in partitions:
                self._forget(partition)
            if on_assign is not None:
                on_assign(consumer, partitions)

        super().subscribe(topics, assigned, *args, **callbacks)
        self._subscribed = topics

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._unreadable.clear()
        self._positions.clear()
        super().assign(partitions)

    def seek(self, partition: TopicPartition) -> None:
        self._forget(partition)
        super().seek(partition)

    def consume(self, num_messages: int = 1, timeout: float = -1) -> Any:
        if self._unreadable:
            batch = self._unreadable.pop(0)
            self._positions[batch.topic(), batch.partition()] = batch.offset() + 1
            return [batch]
        messages = super().consume(num_messages, timeout)
        if not any_error(messages):
            return messages
        readable: list[ports.Message] = []
        for message in messages:
            error = message.error()
            if error is not None and error.code() == KafkaError._BAD_COMPRESSION:
                self._skip(message, error)
            elif error is not None and error.code() in RIGHTS:
                self._refused(message, error)
            else:
                readable.append(message)
        return readable

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        if not self._subscribed and timeout > _FIRST_ANSWER_SECONDS:
            try:
                return super().committed(partitions, _FIRST_ANSWER_SECONDS)
            except KafkaException:
                self.consume(_EVENTS, 0)  # raises where the reason is a right: librdkafka asks until the time-out
        try:
            return super().committed(partitions, timeout)
        except KafkaException as error:
            raise KafkaException(self._troubles.explained(error.args[0], "Read", "group", self._group)) from error

    def get_watermark_offsets(self, partition: TopicPartition, *args: Any, **options: Any) -> Any:
        try:
            return super().get_watermark_offsets(partition, *args, **options)
        except KafkaException as error:
            raise KafkaException(self._troubles.explained(error.args[0], "Read", "topic", partition.topic)) from error

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        found = super().position(partitions)
        for place in found:
            if place.offset < 0:  # as after every seek
                place.offset = self._positions.get((place.topic, place.partition), place.offset)
        return found

    def close(self) -> None:
        try:
            if self._subscribed:
                self._subscribed = []
                self._give_back()
        finally:
            super().close()

    def _refused(self, event: Any, error: KafkaError) -> None:
        """Raises KafkaException with the name of what may not be read."""
        if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            if self._group == NO_GROUP:
                return
            raise KafkaException(self._troubles.explained(error, "Read", "group", self._group))
        named = event.topic() or ", ".join(filter(self._may_not_read, self._subscribed)) or ", ".join(self._subscribed)
        raise KafkaException(self._troubles.explained(error, "Read", "topic", named))

    def _may_not_read(self, topic: str) -> bool:
        """Whether we must not see it: the consumer protocol tells only that it is one of those subscribed to."""
        try:
            found = self.list_topics(topic, REQUEST_SECONDS).topics.get(topic)
        except KafkaException:
            return False
        return found is not None and found.error is not None and found.error.code() in RIGHTS

    def _forget(self, partition: TopicPartition) -> None:
        """Where it is read from is decided anew."""
        place: ports.Partition = (partition.topic, partition.partition)
        self._positions.pop(place, None)
        self._unreadable = [batch for batch in self._unreadable if (batch.topic(), batch.partition()) != place]

    def _skip(self, event: Any, error: KafkaError) -> None:
        """Reads on behind the batch that `event` reports; if that fails, it will be reported again."""
        partition: ports.Partition = (event.topic(), event.partition())
        first = int(event.offset())
        is_in_batch = partial(self._is_in_batch, partition, first)
        begin = max(first, self._positions.get(partition, first))
        try:
            if begin > first and not is_in_batch(begin):
                return  # an old report: it has been passed over
            _, end = self.get_watermark_offsets(TopicPartition(*partition), REQUEST_SECONDS)
            behind = end_of_batch(is_in_batch, begin, end)
            self.seek(TopicPartition(*partition, behind))
        except KafkaException as failure:
            log.warning("%s[%d]: %s at offset %d is looked at again: %s", *partition, error.str(), first, failure)
            return
        batch = UnreadableBatch(*partition, begin, behind - 1, error.str(), time.time_ns() // 1_000_000)
        log.error("a batch is passed over, because it cannot be decompressed: %s", batch)
        self._positions[partition] = begin
        self._unreadable.append(batch)

    def _is_in_batch(self, partition: ports.Partition, first: int, offset: int) -> bool:
        """Whether reading from `offset` fails because of the batch at `first`. Raises KafkaException."""
        probe = KafkaConsumer({**self._config, **PROBE})
        try:
            probe.assign([TopicPartition(*partition, offset)])
            messages = probe.consume(1, REQUEST_SECONDS)
            if messages and (event := messages[0].error()) and event.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                messages = probe.consume(1, REQUEST_SECONDS)  # nobody needs a right to the group that is none
        finally:
            probe.close()
        if not messages:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "Kafka does not answer"))
        error = messages[0].error()
        if error is not None and error.code() == KafkaError._BAD_COMPRESSION:
            return bool(messages[0].offset() == first)
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        return False

    def _give_back(self) -> None:
        self.unsubscribe()
        deadline = time.monotonic() + GIVE_BACK_SECONDS
        # An assignment that has come and was not taken yet is in no list: only a poll shows it.
        self.consume(1, POLL_SECONDS)
        while self.assignment() and time.monotonic() < deadline:
            self.consume(1, POLL_SECONDS)  # runs the revoke callback


class PunctualProducer(KafkaProducer):
    """Keeps the time-out of the one request for which librdkafka does not.

    A group coordinator that goes away while offsets are sent to it may leave `send_offsets_to_transaction` waiting for
    ever, also when the coordinator is back (librdkafka issues 5456 and 5511; with 2.16 nearly every kill of a broker
    under load). The thread that waits is left behind: what it may still do is fenced by the next producer.
    """

    def __init__(
        self, config: dict[str, Any], allowed: Callable[[Collection[str]], Mapping[str, Collection[str]]]
    ) -> None:
        """`allowed`: what may be done with each of some topics."""
        # For records without a callback of their own, of which nobody would learn otherwise. Not for those of a
        # transaction, which fails with them: they are many, and each would cost 0.1 us more (measured).
        alone = "transactional.id" not in config
        super().__init__({**({"on_delivery": self._delivered} if alone else {}), **config})
        self._allowed = allowed
        self._troubles: Troubles = config["error_cb"]
        self._id: str = config.get("transactional.id", "")
        begin_anew_in_children(self)

    def after_fork(self) -> None:
        disable(self, _OF_PRODUCERS)

    def explained(self, error: KafkaError, topics: Collection[str]) -> KafkaError:
        if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED and len(topics) > 1:
            topics = self._not_writable(topics)
        return self._troubles.explained(error, "Write", "topic", ", ".join(sorted(topics)))

    # As it comes: to explain costs each record 0.3 us (measured).
    enqueue = KafkaProducer.produce

    def produce(self, topic: str, *args: Any, **named: Any) -> None:
        try:
            super().produce(topic, *args, **named)
        except KafkaException as error:
            raise KafkaException(self.explained(error.args[0], [topic])) from error

    def init_transactions(self, *args: Any) -> None:
        self._of_transactions(super().init_transactions, *args)

    def commit_transaction(self, *args: Any) -> None:
        self._of_transactions(super().commit_transaction, *args)

    def abort_transaction(self, *args: Any) -> None:
        self._of_transactions(super().abort_transaction, *args)

    def _of_transactions(self, request: Callable[..., None], *args: Any) -> None:
        try:
            request(*args)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise  # whoever wrote knows to which topics
            explained = self._troubles.explained(error.args[0], "Write", "transactional-id", self._id)
            raise KafkaException(explained) from error

    def _not_writable(self, topics: Collection[str]) -> Collection[str]:
        """Those of `topics` that we may not write to: a transaction that cannot include one tells not which."""
        try:
            found = self._allowed(topics)
        except KafkaException:
            return topics
        return [topic for topic, operations in found.items() if "Write" not in operations]

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None and error.code() in RIGHTS:
            self._troubles.tell((error.code(), message.topic()), self.explained(error, [message.topic()]).str())

    def send_offsets_to_transaction(
        self, positions: list[TopicPartition], group_metadata: Any, timeout: float = -1
    ) -> None:
        if timeout < 0:
            super().send_offsets_to_transaction(positions, group_metadata, timeout)
            return
        answer: Future[None] = Future()
        send = super().send_offsets_to_transaction

        def wait() -> None:
            try:
                send(positions, group_metadata, timeout)
            except BaseException as error:
                answer.set_exception(error)
            else:
                answer.set_result(None)

        # A daemon: it must not keep the process from ending.
        threading.Thread(target=wait, name="send-offsets", daemon=True).start()
        try:
            answer.result(timeout + OVERDUE_SECONDS)
        except TimeoutError as error:
            reason = f"the group coordinator has not taken the offsets within {timeout:g} s"
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, reason)) from error
