"""After a failure: which recovery action is needed before the next batch, and taking it.

The actions include one another: a new producer (or an abort), then rewinding to the committed offsets, then restoring
the processor's state. The order matters: only after the new producer has fenced the old one are the committed offsets
final, and the outputs from which the state is restored.

That is why a processor with state always gets a new producer, even where an abort would do: a commit is acknowledged
before its markers have reached every partition, and a reader could still miss what it wrote. The first request of a new
producer (init_transactions) is answered only when every earlier transaction of its id has ended everywhere.
"""

import logging
from collections.abc import Callable, Collection, Mapping

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from interlock.errors import InterlockError
from interlock.streams.backoff import Backoff
from interlock.streams.clock import Clock
from interlock.streams.errors import RecoveryAction, recovery_action
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Consumer, Partition
from interlock.streams.transaction import Transactor

log = logging.getLogger(__name__)

# A member of an exclusive group that was paused or cut off is fenced, and would in turn fence its successor unless it
# learns first that it has one. It learns it from the answer to its heartbeat, which goes out every second.
_HEARTBEAT_GRACE_SECONDS = 1.5

_PLANS = {
    RecoveryAction.REWIND: "reading again from the committed offsets",
    RecoveryAction.ABORT: "aborting the transaction and reading again from the committed offsets",
    RecoveryAction.RESTART: "starting a new producer and reading again from the committed offsets",
    RecoveryAction.STOP: "stopping, because no retry can mend this",
}

# What to do. The pipeline itself writes nothing that is larger than the catalogue's limits.
_HINTS = {
    KafkaError.MSG_SIZE_TOO_LARGE: ": a topic's max.message.bytes is too small; `interlock doctor` names it",
}


class UnrecoverableError(InterlockError):
    """Kafka refuses something that no retry can mend: rights, settings, a record that is too large."""


class Recovery:
    """Remembers the most expensive action that is needed. Never raises KafkaException."""

    def __init__(
        self,
        transactor: Transactor,
        clock: Clock,
        metrics: Metrics,
        timeout: float,
        restore: Callable[[], None] | None = None,
        exclusive_inputs: Collection[str] = (),
    ) -> None:
        """`exclusive_inputs`: topics without which nothing is repaired, because another instance may be active."""
        self._transactor = transactor
        self._metrics = metrics
        self._timeout = timeout
        self._restore = restore
        self._exclusive_inputs = frozenset(exclusive_inputs)
        self.committed: dict[Partition, int] = {}
        """What this process has committed."""
        self._cheapest = RecoveryAction.RESTART if restore or exclusive_inputs else RecoveryAction.REWIND
        self._backoff = Backoff(
            "Kafka",
            least_seconds=_HEARTBEAT_GRACE_SECONDS if exclusive_inputs else 0.0,
            monotonic=lambda: clock.now() / 1e6,
        )
        self._reason = ""
        # The first producer is made like any other, so that a start without Kafka waits for it.
        self._needed: RecoveryAction | None = RecoveryAction.RESTART

    @property
    def needed(self) -> bool:
        """Whether anything has to be repaired before the next batch."""
        return self._needed is not None

    def require(self, needed: RecoveryAction) -> None:
        self._needed = max(needed, self._needed or needed, self._cheapest)

    def failed(self, doing: str, error: KafkaError, needed: RecoveryAction | None = None) -> None:
        """Notes a failure. `needed`: if more is known than the error says."""
        suggested = recovery_action(error)
        needed = max(suggested if needed is None or suggested is RecoveryAction.STOP else needed, self._cheapest)
        self._metrics.add("unavailable")
        self._reason = f"{doing} failed: {error.str()} ({error.name()}){_HINTS.get(error.code(), '')}"
        self._backoff.failed(self._reason, _PLANS[needed])
        self.require(needed)

    def transient(self, error: KafkaError) -> None:
        """Notes an error that the client mends by itself, such as a topic that does not exist yet."""
        self._backoff.failed(f"reading: {error.str()} ({error.name()})", "the client goes on trying")

    def succeeded(self) -> None:
        """A transaction was committed: whatever was wrong is over."""
        self._backoff.succeeded()

    def pause(self) -> float:
        """Seconds to wait before `repair`."""
        return self._backoff.pause()

    def stands_by(self, consumer: Consumer) -> bool:
        """Whether this is a member of an exclusive group that has nothing to do."""
        if not self._exclusive_inputs:
            return False
        return not {partition.topic for partition in consumer.assignment()} >= self._exclusive_inputs

    def repair(self, consumer: Consumer) -> None:
        """One attempt at what is needed. Raises UnrecoverableError if no attempt can succeed."""
        if self._needed is RecoveryAction.STOP:
            raise UnrecoverableError(self._reason)
        if self.stands_by(consumer):
            return
        if self._needed is RecoveryAction.RESTART:
            self._restart()
        elif self._needed is RecoveryAction.ABORT:
            self._abort()
        if self._needed is RecoveryAction.REWIND:
            self._rewind(consumer)

    def _restart(self) -> None:
        self._metrics.add("producer_restarts")
        try:
            self._transactor.restart()
        except KafkaException as error:
            self.failed("starting a producer", error.args[0], RecoveryAction.RESTART)
        else:
            self._needed = RecoveryAction.REWIND

    def _abort(self) -> None:
        self._metrics.add("aborts")
        try:
            self._transactor.abort()
        except KafkaException as error:
            self.failed("aborting", error.args[0], RecoveryAction.RESTART)
        else:
            self._needed = RecoveryAction.REWIND

    def _rewind(self, consumer: Consumer) -> None:
        try:
            rewind(consumer, self._timeout, self.committed)
        except KafkaException as error:
            self.failed("reading the committed offsets", error.args[0], RecoveryAction.REWIND)
        else:
            self._needed = None
            if self._restore is not None and consumer.assignment():
                self._restore_state(self._restore)

    def _restore_state(self, restore: Callable[[], None]) -> None:
        try:
            restore()
        except KafkaException as error:
            self.failed("restoring the state", error.args[0])


def committed_offsets(
    consumer: Consumer, partitions: list[TopicPartition], timeout: float, least: Mapping[Partition, int]
) -> list[TopicPartition]:
    """The committed offsets of some partitions. Raises KafkaException, also where one is lower than in `least`.

    `least`: what this process has committed. Offsets only go forward while a group has members, but a group
    coordinator has been seen that answered with those of 18 minutes earlier after a crash, without an error: from there
    everything would be done twice.
    """
    found = consumer.committed(partitions, timeout) if partitions else []
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
        known, offset = least.get((place.topic, place.partition), 0), max(0, place.offset)
        if offset < known:
            reason = (
                f"that of {place.topic}[{place.partition}] went back from {known} to {offset}. If it was reset on "
                "purpose, restart this process"
            )
            raise KafkaException(KafkaError(KafkaError._INCONSISTENT, reason))
    return found


def rewind(consumer: Consumer, timeout: float, least: Mapping[Partition, int]) -> None:
    """Every assigned partition continues at its committed offset, or at its beginning. `least`, and what is raised: as
    for committed_offsets."""
    for committed in committed_offsets(consumer, consumer.assignment(), timeout, least):
        offset = committed.offset if committed.offset >= 0 else OFFSET_BEGINNING
        try:
            consumer.seek(TopicPartition(committed.topic, committed.partition, offset))
        except KafkaException as error:
            # Assigned a moment ago and not started yet: it starts at the committed offset by itself.
            if error.args[0].code() != KafkaError._STATE:
                raise
