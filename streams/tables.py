"""Compacted topics as tables: read completely at the start, then followed.

Read without a group, because every instance needs every record; and by end-of-partition events rather than by
comparing offsets, because the last offset of a transactional topic belongs to a control record nobody sees.
"""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.errors import HOPELESS
from streams.ports import Broker, Message

# Tables are small (policies, controls, one record per model version): one call nearly always takes all.
_AT_ONCE = 10_000


class TableReader:
    """Follows compacted topics under read_committed. Not for several threads."""

    def __init__(self, broker: Broker, topics: Sequence[str]) -> None:
        """Raises KafkaException if a topic does not exist: a missing table must not pass for an empty one."""
        states = broker.topic_states(topics)
        missing = [name for name in topics if name not in states]
        if missing:
            absent = f"topic {', '.join(missing)} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        self._consumer = broker.consumer(None, overrides={"enable.partition.eof": True})
        partitions = [(name, number) for name in topics for number in range(states[name].partitions)]
        self._unread = set(partitions)
        # Offset 0 and not "the beginning", which librdkafka would first ask for, and wait 0.5 s for (measured).
        # Should 0 be gone, the reset policy leads to the earliest record all the same.
        self._consumer.assign([TopicPartition(*partition, 0) for partition in partitions])

    def read_all(self, timeout: float = 30.0) -> list[Message]:
        """Everything up to the present end, oldest first per partition. Call once, before `poll`.

        `timeout` in seconds; a cluster that has just started may be electing leaders. Raises KafkaException.
        """
        records: list[Message] = []
        # Waiting in tenths: an end-of-partition event does not end a consume() that still wants messages.
        for _ in range(max(1, round(timeout / 0.1))):
            records += self._records(0.1)
            if not self._unread:
                return records
        unread = ", ".join(f"{topic}[{number}]" for topic, number in sorted(self._unread))
        silence = f"{unread} could not be read to the end within {timeout:g} s: is Kafka reachable?"
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, silence))

    def poll(self) -> list[Message]:
        """What has come since; returns at once."""
        return self._records(0)

    def close(self) -> None:
        self._consumer.close()

    def _records(self, timeout: float) -> list[Message]:
        records: list[Message] = []
        for message in self._consumer.consume(_AT_ONCE, timeout):
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._unread.discard((message.topic(), message.partition()))
            elif error.fatal() or error.code() in HOPELESS:
                raise KafkaException(error)
            # Anything else is a passing trouble of the network, which librdkafka reports and retries itself.
        return records
