"""Sampling runs: each reads what has taken effect since the last run, samples, and writes the sampled decisions to
review and its offsets in one Kafka transaction.

One sampler works at a time: every run starts a new epoch of one transactional id, so a run that another has overtaken
cannot commit. A run that fails has written nothing, and the next one reads the same records again.
"""

from dataclasses import dataclass

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from interlock.processors.sampling.candidate import Candidate, candidate
from interlock.processors.sampling.sampler import Sampler, records
from interlock.schemas import catalogue, wire
from interlock.streams.clock import Clock
from interlock.streams.errors import FATAL_CODES
from interlock.streams.ports import Broker, Consumer
from interlock.streams.transaction import Transactor

log = structlog.get_logger()

GROUP = "interlock-sampler"

_TOPIC = catalogue.AUTO_APPROVED.name

# Candidates of one run; with their records some 100 MB.
MAX_CANDIDATES = 20_000

# Bounds every request, and how long reading may stand still; longer than the election of a leader.
_PATIENCE_SECONDS = 30.0

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class SamplingRun:
    """`read`: number of records; `candidates`: those that the router left to the sampler; `sampled`: sent to review."""

    read: int
    candidates: int
    sampled: int


class SamplingRuns:
    """Runs `sampler` on a broker."""

    def __init__(self, broker: Broker, sampler: Sampler, clock: Clock, max_candidates: int = MAX_CANDIDATES) -> None:
        self._broker = broker
        self._sampler = sampler
        self._clock = clock
        self._max_candidates = max_candidates

    def last(self) -> int:
        """The time of the last run in microseconds since the epoch; 0 if there was none. Raises KafkaException."""
        consumer = self._broker.consumer(GROUP)
        try:
            return _time_of(self._committed(consumer))
        finally:
            consumer.close()

    def run(self) -> SamplingRun:
        """Makes one run. Raises KafkaException."""
        transactor = Transactor(self._broker, GROUP, {}, _PATIENCE_SECONDS)
        # The epoch comes first: after it, no other run that is still under way can move the offsets.
        transactor.restart()
        consumer = self._broker.consumer(GROUP, overrides={"enable.partition.eof": True})
        try:
            committed = self._committed(consumer)
            now = self._clock.now()
            reading = _Reading(consumer, committed, self._broker.end_offsets(_TOPIC))
            candidates = reading.pool(self._max_candidates)
            since = _time_of(committed) or min((candidate.routed_at for candidate in candidates), default=now)
            sampled = self._sampler.sample(candidates, since, now)
            transactor.write(records(sampled))
            transactor.commit(reading.positions(str(now)), consumer.consumer_group_metadata())
        finally:
            # The epoch of the next run aborts a transaction that is still open.
            transactor.discard()
            consumer.close()
        self._sampler.remember(sampled)
        return SamplingRun(reading.count, len(candidates), len(sampled))

    def _committed(self, consumer: Consumer) -> list[TopicPartition]:
        states = self._broker.topic_states([_TOPIC])
        if _TOPIC not in states:
            raise KafkaException(
                KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"topic {_TOPIC} does not exist: create the topics first")
            )
        partitions = [TopicPartition(_TOPIC, number) for number in range(states[_TOPIC].partitions)]
        return consumer.committed(partitions, _PATIENCE_SECONDS)


class _Reading:
    """What stands between the committed offsets and the ends that were seen when reading began."""

    def __init__(self, consumer: Consumer, committed: list[TopicPartition], ends: dict[int, int]) -> None:
        self._consumer = consumer
        self._ends = ends
        self._next = {one.partition: one.offset for one in committed if one.offset >= 0}
        self._unread = {number for number, end in ends.items() if self._next.get(number, 0) < end}
        self.count = 0
        starts = [(number, self._next.get(number, OFFSET_BEGINNING)) for number in sorted(self._unread)]
        consumer.assign([TopicPartition(_TOPIC, number, start) for number, start in starts])

    def pool(self, at_most: int) -> list[Candidate]:
        """The candidates up to those ends, or so many; then a later round reads on. Raises KafkaException."""
        pool: list[Candidate] = []
        left = attempts = round(_PATIENCE_SECONDS / _LOOK_SECONDS)
        while self._unread and len(pool) < at_most:
            if not left:
                silence = f"{_TOPIC} could not be read to the end within {_PATIENCE_SECONDS:g} s: is Kafka reachable?"
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, silence))
            messages = self._consumer.consume(min(1000, at_most - len(pool)), _LOOK_SECONDS)
            left = attempts if messages else left - 1
            for message in messages:
                error = message.error()
                if error is not None:
                    if error.code() == KafkaError._PARTITION_EOF:
                        self._finished(message.partition())
                    elif error.fatal() or error.code() in FATAL_CODES:
                        raise KafkaException(error)
                    continue
                number, offset = message.partition(), message.offset()
                if number not in self._unread:
                    continue
                if offset >= self._ends[number]:
                    self._finished(number)
                    continue
                self._next[number] = offset + 1
                self.count += 1
                try:
                    one = candidate(message)
                except wire.WireError as refused:
                    # Nothing that the router wrote, so nothing that takes effect.
                    log.warning("unreadable record", topic=_TOPIC, partition=number, offset=offset, reason=str(refused))
                    continue
                if one is not None:
                    pool.append(one)
                if self._next[number] == self._ends[number]:
                    self._finished(number)
        return pool

    def positions(self, metadata: str) -> list[TopicPartition]:
        """How far was read, for the group."""
        return [
            TopicPartition(_TOPIC, number, self._next.get(number, OFFSET_BEGINNING), metadata) for number in self._ends
        ]

    def _finished(self, number: int) -> None:
        if number in self._unread:
            self._unread.discard(number)
            # Transaction markers stand behind the last record: they are read as well.
            self._next[number] = self._ends[number]


def _time_of(committed: list[TopicPartition]) -> int:
    """The time of the run that committed these offsets; 0 if there was none."""
    metadata = [partition.metadata for partition in committed]
    return max((int(time) for time in metadata if time and time.isdigit()), default=0)
