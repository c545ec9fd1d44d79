"""Compacted topics as tables: read completely at the start, then followed.

Read without a group, because every instance needs every record; and by end-of-partition events rather than by
comparing offsets, because the last offset of a transactional topic belongs to a control record nobody sees.
"""

from collections.abc import Iterator, Sequence

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.streams.errors import FATAL_CODES
from interlock.streams.ports import Broker, Message

# Tables are small (policies, controls, one record per model version): one call nearly always takes all.
_AT_ONCE = 10_000


class TableReader:
    """Follows compacted topics under read_committed. Not for several threads."""

    def __init__(self, broker: Broker, topics: Sequence[str], *, last: int | None = None) -> None:
        """`last`: only that many offsets of each partition, to see what was written lately. Transaction markers and
        aborted records take offsets too, so that fewer records may come.

        Raises KafkaException if a topic does not exist: a missing table must not pass for an empty one.
        """
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
        starts = dict.fromkeys(partitions, 0)
        if last is not None:
            ends = {name: broker.end_offsets(name) for name in topics}
            starts = {(name, number): max(0, ends[name][number] - last) for name, number in partitions}
        self._consumer.assign([TopicPartition(*partition, starts[partition]) for partition in partitions])

    def read_all(self, timeout: float = 30.0) -> list[Message]:
        """Everything up to the present end, oldest first per partition. Call once, before `poll`.

        `timeout`: seconds without a record; a cluster that has just started may be electing leaders. Raises
        KafkaException.
        """
        return [record for part in self.read_parts(timeout) for record in part]

    def read_parts(self, timeout: float = 30.0) -> Iterator[list[Message]]:
        """The same in parts, for tables that are larger than what is kept of them."""
        attempts = left = max(1, round(timeout / 0.1))
        while left:
            # Waiting in tenths: an end-of-partition event does not end a consume() that still wants messages.
            records = self._records(0.1)
            yield records
            if not self._unread:
                return
            left = attempts if records else left - 1
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
            elif error.fatal() or error.code() in FATAL_CODES:
                raise KafkaException(error)
            # Anything else is a passing trouble of the network, which librdkafka reports and retries itself.
        return records
