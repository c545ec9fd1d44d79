"""One transactional producer and the commit protocol: begin, write, commit or abort, or start afresh.

Raises KafkaException throughout; `interlock.streams.errors.recovery_action` says what to do then.
"""

import time
from collections.abc import Mapping, Sequence
from itertools import repeat
from operator import length_hint
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from interlock.streams.outputs import Outputs, Replaceable
from interlock.streams.ports import Broker, Producer

# How often a full queue is checked for room.
_FULL_QUEUE_SECONDS = 0.1

# However long the steps before took, a commit gets the time of one round trip: giving up here costs a replay.
_MIN_COMMIT_SECONDS = 0.5


class Transactor:
    """Owns the producer. One thread at a time."""

    def __init__(
        self,
        broker: Broker,
        transactional_id: str,
        overrides: Mapping[str, Any],
        timeout: float,
    ) -> None:
        """`timeout`: seconds that any one of the methods may take."""
        self._broker = broker
        self._id = transactional_id
        self._overrides = overrides
        self._timeout = timeout
        self._producer: Producer | None = None
        self._topics: set[str] = set()
        """All that were written to: Kafka does not tell which one it refuses."""
        self._open = False

    def restart(self) -> None:
        """A new producer. Afterwards no request of an older one can take effect any more."""
        self.discard()
        producer = self._broker.producer(self._id, self._overrides)
        producer.init_transactions(self._timeout)
        self._producer = producer

    def write(self, outputs: Outputs) -> int:
        """Begins a transaction and queues all records; returns how many were too large and replaced (`Replaceable`).

        Raises ValueError if the columns differ in length.
        """
        producer = self._current()
        producer.begin_transaction()
        self._open = True
        n = outputs.count
        topics = outputs.topics if isinstance(outputs.topics, Sequence) else [*outputs.topics]
        self._topics.update(topics)
        headers = repeat(None, n) if outputs.headers is None else outputs.headers
        timestamps = repeat(0, n)  # now
        rows = zip(
            topics,
            outputs.values,
            outputs.keys,
            repeat(-1, n),  # partition: by key
            repeat(None, n),  # no callbacks: a record that fails, fails the transaction
            repeat(None, n),
            timestamps,
            headers,
            strict=True,
        )
        # The most expensive loop of the runner. Positional, because naming the arguments costs as much as the call;
        # a plain loop, because `map` and `starmap` are no faster and lose the record that met a full queue.
        enqueue = producer.enqueue
        replaced = 0
        for row in rows:
            try:
                enqueue(*row)
            except BufferError:
                self._produce_when_there_is_room(producer, row)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE or not isinstance(outputs, Replaceable):
                    raise KafkaException(producer.explained(error.args[0], self._topics)) from error
                # A column that is left over tells which row this is, at no cost for all others.
                replaced += self._produce_instead(producer, outputs.instead_of(n - length_hint(timestamps) - 1))
        return replaced

    def _produce_instead(
        self, producer: Producer, record: tuple[str, tuple[bytes | None, bytes | None, Any]] | None
    ) -> bool:
        if record is None:
            return False
        topic, (key, value, headers) = record
        self._produce_when_there_is_room(producer, (topic, value, key, -1, None, None, 0, headers))
        return True

    def _produce_when_there_is_room(self, producer: Producer, row: tuple[Any, ...]) -> None:
        """Waits for deliveries as long as it takes: if they fail, the transaction fails and so does produce."""
        while True:
            try:
                producer.produce(*row)
            except BufferError:
                producer.poll(_FULL_QUEUE_SECONDS)
            else:
                return

    def commit(self, positions: list[TopicPartition], group_metadata: Any) -> None:
        """Commits what was written together with the input positions, within one deadline."""
        producer = self._current()
        deadline = time.monotonic() + self._timeout
        try:
            # Offsets first: these two round trips go on while the records are still being delivered.
            producer.send_offsets_to_transaction(positions, group_metadata, self._timeout)
            producer.commit_transaction(max(_MIN_COMMIT_SECONDS, deadline - time.monotonic()))
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_AUTHORIZATION_FAILED:
                raise
            raise KafkaException(producer.explained(error.args[0], self._topics)) from error
        self._open = False

    def abort(self) -> None:
        """Aborts what was written."""
        self._current().abort_transaction(self._timeout)
        self._open = False

    def abort_if_open(self) -> None:
        """Aborts what was written, if anything was."""
        if self._open:
            self.abort()

    def discard(self) -> None:
        """Discards the producer, with everything in its queue."""
        producer, self._producer, self._open = self._producer, None, False
        if producer is not None:
            producer.purge()

    def _current(self) -> Producer:
        assert self._producer is not None, "restart() comes first"
        return self._producer
