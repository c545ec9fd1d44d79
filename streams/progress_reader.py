"""How far consumer groups have come, observed from outside them.

Only requests of consumers are used. Those of an AdminClient may abort the whole process when the broker goes away while
they are under way (librdkafka issue 4605).
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from confluent_kafka import OFFSET_END, KafkaError, KafkaException, TopicPartition

from interlock.streams.consuming import records_of
from interlock.streams.ports import Broker, Consumer, Message, Partition
from interlock.streams.progress import Progress, WatchedGroup
from interlock.streams.ranges import FIRST_OFFSET, READ_TO_END

# Longer than a loaded broker takes, short enough to notice soon that it is away.
_REQUEST_SECONDS = 10.0

# One call of consume; it returns earlier when it has as many messages as partitions were asked about.
_POLL_SECONDS = 0.05

_PROBE = {
    **READ_TO_END,
    # Of each partition only the first record is wanted. For a batch that is larger librdkafka asks again for more.
    "fetch.message.max.bytes": 65_536,
    "queued.min.messages": 1,
    # Where nothing waits the broker keeps the answer back so long (by default 0.5 s), for each of a dozen groups.
    "fetch.wait.max.ms": 20,
}


class ProgressReader:
    """Observes the groups of one cluster. Not for several threads."""

    def __init__(self, broker: Broker, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._broker = broker
        self._monotonic = monotonic
        self._members: dict[str, Consumer] = {}
        self._probe: Consumer | None = None

    def observe(self, group: WatchedGroup) -> dict[Partition, Progress]:
        """Every partition of the group's topics. Raises KafkaException, also where Kafka does not answer in time."""
        try:
            return self._observe(group)
        except BaseException:
            self.close()  # new clients for the next attempt: they know nothing of the broker before
            raise

    def ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """Where their logs end for a read_committed reader, in one request of each broker. Raises KafkaException."""
        if not partitions:
            return {}
        try:
            return self._asked_ends(partitions)
        except BaseException:
            self.close()
            raise

    def _asked_ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        asked = [TopicPartition(*partition, OFFSET_END) for partition in sorted(partitions)]
        answers = self._prober().offsets_for_times(asked, _REQUEST_SECONDS)
        for answer in answers:
            if answer.error is not None:
                raise KafkaException(answer.error)
        return {(answer.topic, answer.partition): answer.offset for answer in answers}

    def _prober(self) -> Consumer:
        if self._probe is None:
            self._probe = self._broker.consumer(None, overrides=_PROBE)
        return self._probe

    def close(self) -> None:
        consumers = [*self._members.values(), *([self._probe] if self._probe else [])]
        self._members, self._probe = {}, None
        for consumer in consumers:
            with suppress(KafkaException):
                consumer.close()

    def _observe(self, group: WatchedGroup) -> dict[Partition, Progress]:
        states = self._broker.topic_states(group.topics)
        if missing := [name for name in group.topics if name not in states]:
            absent = f"topic {', '.join(missing)} does not exist: create the topics first"
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
        wanted = [TopicPartition(name, number) for name, state in states.items() for number in range(state.partitions)]
        if group.group not in self._members:
            self._members[group.group] = self._broker.consumer(group.group)
        committed: dict[Partition, int | None] = {}
        for answer in self._members[group.group].committed(wanted, _REQUEST_SECONDS):
            if answer.error is not None:
                raise KafkaException(answer.error)
            committed[answer.topic, answer.partition] = answer.offset if answer.offset >= 0 else None
        found = self._waiting(committed)
        if all(progress.waiting is None for progress in found.values()):
            # Nobody asks soon again, and until then each of its threads would wake up every second.
            self._members.pop(group.group).close()
        return found

    def _waiting(self, committed: Mapping[Partition, int | None]) -> dict[Partition, Progress]:
        probe = self._prober()
        places = {partition: FIRST_OFFSET if at is None else at for partition, at in committed.items()}
        probe.assign([TopicPartition(*partition, at) for partition, at in sorted(places.items())])
        # By partition the offset of its first record, and where it ended for those that had one or none.
        records: dict[Partition, int] = {}
        ends: dict[Partition, int] = {}

        def at_end(event: Message) -> None:
            ends.setdefault((event.topic(), event.partition()), event.offset())

        deadline = self._monotonic() + _REQUEST_SECONDS
        while missing := places.keys() - records.keys() - ends.keys():
            for record in records_of(probe.consume(len(places), _POLL_SECONDS), on_end=at_end):
                records.setdefault((record.topic(), record.partition()), record.offset())
            if self._monotonic() > deadline:
                names = ", ".join(f"{topic}[{number}]" for topic, number in sorted(missing))
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{names} could not be looked at in time"))
        found = {each: _progress(probe, each, committed[each], records.get(each), ends.get(each, 0)) for each in places}
        probe.assign([])
        return found


def _progress(probe: Consumer, partition: Partition, committed: int | None, waiting: int | None, end: int) -> Progress:
    """`waiting`: the first record from `committed` on; where there is none, the log ends at `end`."""
    place = TopicPartition(*partition)
    start = FIRST_OFFSET
    if (end if waiting is None else waiting) > (committed or FIRST_OFFSET) + 1:
        # Behind markers and aborted records, or behind records that were deleted.
        start, _ = probe.get_watermark_offsets(place, _REQUEST_SECONDS)
    if waiting is None:
        return Progress(committed, start, None)
    # As of the fetch that has just been answered.
    _, end = probe.get_watermark_offsets(place, cached=True)
    return Progress(committed, start, waiting, max(1, end - waiting))
