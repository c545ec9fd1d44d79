"""Sampling runs: each reads what has taken effect since the last run, samples, and writes the sampled decisions to
review and its offsets in one Kafka transaction.

One sampler works at a time: every run starts a new epoch of one transactional id, so a run that another has overtaken
cannot commit. A run that fails has written nothing, and the next one reads the same records again.
"""

import time
from dataclasses import dataclass

import structlog
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from interlock.processors.sampling.candidate import Candidate
from interlock.processors.sampling.candidate import candidate as candidate_of
from interlock.processors.sampling.sampler import Sampler, records
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import MAX_ROUTED_BYTES, SAMPLER_GROUP
from interlock.schemas.dead_letters import Source
from interlock.streams.batch_limit import BatchLimit
from interlock.streams.clock import Clock
from interlock.streams.ports import Broker, Consumer
from interlock.streams.ranges import READ_TO_END, RangeReader
from interlock.streams.transaction import Transactor

log = structlog.get_logger()

_TOPIC = catalogue.AUTO_APPROVED.name

# Candidates of one run; with their records some 100 MB.
MAX_CANDIDATES = 20_000

# One call of consume. A poll waits until it has as many, so a small number lets a small run end sooner.
_BATCH_SIZE = 1_000

# Bounds every request, and how long reading may stand still; longer than the election of a leader.
_TIMEOUT_SECONDS = 30.0


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
        self._limit = BatchLimit(max_candidates, _TIMEOUT_SECONDS)

    def last(self) -> int:
        """The time of the last run in microseconds since the epoch; 0 if there was none. Raises KafkaException."""
        consumer = self._broker.consumer(SAMPLER_GROUP)
        try:
            return _time_of(self._committed(consumer))
        finally:
            consumer.close()

    def run(self) -> SamplingRun:
        """Makes one run. Raises KafkaException."""
        transactor = Transactor(self._broker, SAMPLER_GROUP, {}, _TIMEOUT_SECONDS)
        # The epoch comes first: after it, no other run that is still under way can move the offsets.
        transactor.restart()
        consumer = self._broker.consumer(SAMPLER_GROUP, overrides=READ_TO_END)
        try:
            committed = self._committed(consumer)
            now = self._clock.now()
            ends = {(_TOPIC, number): end for number, end in self._broker.end_offsets(_TOPIC).items()}
            known = {(_TOPIC, start.partition): start.offset for start in committed if start.offset >= 0}
            starts = {partition: known.get(partition, OFFSET_BEGINNING) for partition in ends}
            reader = RangeReader(consumer, starts, ends, timeout=_TIMEOUT_SECONDS)
            candidates, count = _candidates(reader, self._limit.messages)
            since = _time_of(committed) or min((candidate.routed_at for candidate in candidates), default=now)
            sampled = self._sampler.sample(candidates, since, now)
            positions = [TopicPartition(*partition, at, str(now)) for partition, at in reader.positions.items()]
            started = time.perf_counter()
            try:
                transactor.write(records(sampled))
                transactor.commit(positions, consumer.consumer_group_metadata())
            except KafkaException as error:
                self._limit.failed(error.args[0], len(candidates))
                raise
            self._limit.committed(len(candidates), time.perf_counter() - started)
        finally:
            # The epoch of the next run aborts a transaction that is still open.
            transactor.discard()
            consumer.close()
        self._sampler.remember(sampled)
        return SamplingRun(count, len(candidates), len(sampled))

    def _committed(self, consumer: Consumer) -> list[TopicPartition]:
        states = self._broker.topic_states([_TOPIC])
        if _TOPIC not in states:
            raise KafkaException(
                KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"topic {_TOPIC} does not exist: create the topics first")
            )
        partitions = [TopicPartition(_TOPIC, number) for number in range(states[_TOPIC].partitions)]
        return consumer.committed(partitions, _TIMEOUT_SECONDS)


def _candidates(reader: RangeReader, max_candidates: int) -> tuple[list[Candidate], int]:
    """The candidates up to the end, at most `max_candidates`, after which a later run reads on; and the records read.

    Raises KafkaException.
    """
    candidates: list[Candidate] = []
    count = 0
    while reader.unread and len(candidates) < max_candidates:
        # No more than there is room for: what is read counts as sampled from.
        for message in reader.read(min(_BATCH_SIZE, max_candidates - len(candidates))):
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
            if candidate is None:
                continue
            if Source.of(message).size > MAX_ROUTED_BYTES:
                # Nor this one, and its copy might be more than Kafka takes.
                log.warning(
                    "record too large", topic=message.topic(), partition=message.partition(), offset=message.offset()
                )
                continue
            candidates.append(candidate)
    return candidates, count


def _time_of(committed: list[TopicPartition]) -> int:
    """The time of the run that committed these offsets; 0 if there was none."""
    metadata = [partition.metadata for partition in committed]
    return max((int(time) for time in metadata if time and time.isdigit()), default=0)
