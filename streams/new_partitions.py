"""Partitions that are added to topics while somebody reads them without a group."""

import logging
import time
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException, TopicPartition

from interlock.streams.ports import Broker, Consumer, Partition
from interlock.streams.ranges import FIRST_OFFSET

log = logging.getLogger(__name__)

# Somebody who adds partitions waits for half a minute; the request costs about a millisecond.
LOOK_SECONDS = 30.0

# The reader stands still meanwhile, and the next look comes soon enough.
_REQUEST_SECONDS = 2.0


class NewPartitions:
    """Extends the assignment of a consumer by the partitions that are added to its topics. Not for several threads."""

    def __init__(
        self,
        broker: Broker,
        consumer: Consumer,
        starts: Mapping[Partition, int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`starts`: what `consumer` is assigned to: every partition of the topics, and where reading began."""
        self._broker = broker
        self._consumer = consumer
        self._starts = dict(starts)
        self._topics = sorted({topic for topic, _ in starts})
        self._monotonic = monotonic
        self._next = monotonic() + LOOK_SECONDS

    def find(self) -> set[Partition]:
        """Looks for new ones from time to time."""
        now = self._monotonic()
        if now < self._next:
            return set()
        self._next = now + LOOK_SECONDS
        try:
            states = self._broker.topic_states(self._topics, timeout=_REQUEST_SECONDS)
        except KafkaException:
            return set()  # its own client reports it
        new = {
            (name, number)
            for name, state in states.items()
            for number in range(state.partitions)
            if (name, number) not in self._starts
        }
        if new:
            log.info("reading new partitions: %s", ", ".join(f"{topic}[{number}]" for topic, number in sorted(new)))
        return new

    def follow(self) -> None:
        """Lets the consumer read new ones too, from their beginning."""
        new = self.find()
        if not new:
            return
        positions = {
            (place.topic, place.partition): place.offset
            for place in self._consumer.position([TopicPartition(*partition) for partition in self._starts])
            if place.offset >= 0
        }
        self._starts.update(dict.fromkeys(new, FIRST_OFFSET))
        self._consumer.assign(
            [TopicPartition(*each, positions.get(each, start)) for each, start in sorted(self._starts.items())]
        )
