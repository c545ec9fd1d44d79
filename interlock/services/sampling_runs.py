"""The sampler's runs: each reads what has taken effect since the run before, samples from it, and sends the sample to
review together with the offsets it has read, in one Kafka transaction.

One sampler works at a time: every run begins a new epoch of one transactional id, and a run that another has overtaken
cannot commit. A run that fails has written nothing, and the next one reads the same again.
"""

from dataclasses import dataclass

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from interlock.processors.sampling.candidate import Candidate
from interlock.processors.sampling.candidate import candidate as candidate_of
from interlock.processors.sampling.sampler import Sampler, records
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import SAMPLER_GROUP
from interlock.streams.clock import Clock
from interlock.streams.ports import Broker, Consumer
from interlock.streams.ranges import READ_TO_END, RangeReader
from interlock.streams.transaction import Transactor

log = structlog.get_logger()

_TOPIC = catalogue.AUTO_APPROVED.name

# With the records that belong to them: some 100 MB.
MAX_POOL = 20_000

# One call of consume. A poll waits until it has as many, so a small number lets a small run end sooner.
_BATCH_SIZE = 1_000

# Bounds every request, and how long reading may stand still; longer than the election of a leader.
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SamplingRun:
    """`read`: records; `pool`: those of them that the router left to the sampler; `picked`: sent to review."""

    read: int
    pool: int
    picked: int


class SamplingRuns:
    """Runs of `sampler` on a broker."""

    def __init__(self, broker: Broker, sampler: Sampler, clock: Clock, max_pool: int = MAX_POOL) -> None:
        self._broker = broker
        self._sampler = sampler
        self._clock = clock
        self._max_pool = max_pool

    def last(self) -> int:
        """When the last run was, in microseconds since the epoch; 0 if there was none. Raises KafkaException."""
        consumer = self._broker.consumer(SAMPLER_GROUP)
        try:
            return _time_of(self._committed(consumer))
        finally:
            consumer.close()

    def round(self) -> SamplingRun:
        """One run. Raises KafkaException."""
        transactor = Transactor(self._broker, SAMPLER_GROUP, {}, _TIMEOUT_SECONDS)
        # First the epoch: then no commit of another run can still be under way and move the offsets.
        transactor.restart()
        consumer = self._broker.consumer(SAMPLER_GROUP, overrides=READ_TO_END)
        try:
            committed = self._committed(consumer)
            now = self._clock.now()
            ends = {(_TOPIC, number): end for number, end in self._broker.end_offsets(_TOPIC).items()}
            known = {(_TOPIC, start.partition): start.offset for start in committed if start.offset >= 0}
            starts = {partition: known.get(partition, OFFSET_BEGINNING) for partition in ends}
            reader = RangeReader(consumer, starts, ends, timeout=_TIMEOUT_SECONDS)
            pool, count = _pool(reader, self._max_pool)
            since = _time_of(committed) or min((candidate.routed_at for candidate in pool), default=now)
            picked = self._sampler.pick(pool, since, now)
            transactor.write(records(picked))
            positions = [TopicPartition(*partition, at, str(now)) for partition, at in reader.positions.items()]
            transactor.commit(positions, consumer.consumer_group_metadata())
        finally:
            # If this fails, the epoch of the next run ends the open transaction.
            transactor.discard()
            consumer.close()
        self._sampler.remember(picked)
        return SamplingRun(count, len(pool), len(picked))

    def _committed(self, consumer: Consumer) -> list[TopicPartition]:
        states = self._broker.topic_states([_TOPIC])
        if _TOPIC not in states:
            raise KafkaException(
                KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"topic {_TOPIC} does not exist: create the topics first")
            )
        partitions = [TopicPartition(_TOPIC, number) for number in range(states[_TOPIC].partitions)]
        return consumer.committed(partitions, _TIMEOUT_SECONDS)


def _pool(reader: RangeReader, max_pool: int) -> tuple[list[Candidate], int]:
    """The candidates up to the end, or `max_pool` of them; then a later run reads on. And how many records were read.

    Raises KafkaException.
    """
    pool: list[Candidate] = []
    count = 0
    while reader.unread and len(pool) < max_pool:
        # No more than there is room for: what is read counts as sampled from.
        for message in reader.read(min(_BATCH_SIZE, max_pool - len(pool))):
            count += 1
            try:
                candidate = candidate_of(message)
            except wire.WireError as error:
                # The router did not write it, so it does not take effect.
                log.warning(
                    "unreadable record",
                    topic=message.topic(),
                    partition=message.partition(),
                    offset=message.offset(),
                    reason=str(error),
                )
                continue
            if candidate is not None:
                pool.append(candidate)
    return pool, count


def _time_of(committed: list[TopicPartition]) -> int:
    """When the run was that committed these offsets; 0 if there was none."""
    times = [partition.metadata for partition in committed]
    return max((int(time) for time in times if time and time.isdigit()), default=0)
