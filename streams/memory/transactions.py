"""The transaction coordinator: one epoch per transactional id, and only the newest may act."""

from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from interlock.streams.clock import Clock
from interlock.streams.memory.log import Transaction


@dataclass(slots=True)
class _Identity:
    epoch: int = -1
    transaction: Transaction | None = None
    late: list[Callable[[], None]] = field(default_factory=list)


class Coordinator:
    """Begins, ends and times out transactions."""

    def __init__(self, clock: Clock, apply_offsets: Callable[[Transaction], None]) -> None:
        self._clock = clock
        self._apply_offsets = apply_offsets
        self._identities: dict[str, _Identity] = {}

    def init(self, transactional_id: str) -> int:
        """A new epoch: aborts what is open, fences what is older."""
        identity = self._identities.setdefault(transactional_id, _Identity())
        self.deliver_late(transactional_id)
        self._finish(identity, commit=False)
        identity.epoch += 1
        return identity.epoch

    def check(self, transactional_id: str, epoch: int) -> None:
        """Raises the fatal _FENCED unless `epoch` is the newest."""
        if self._identities[transactional_id].epoch != epoch:
            reason = f"{transactional_id}: a newer producer has this transactional id"
            raise KafkaException(KafkaError(KafkaError._FENCED, reason, fatal=True))

    def open(self, transactional_id: str, epoch: int, timeout_ms: int) -> Transaction:
        """The transaction to write to; begins with its first write, as in Kafka."""
        self.check(transactional_id, epoch)
        identity = self._identities[transactional_id]
        if identity.transaction is None:
            identity.transaction = Transaction(transactional_id, self._clock.now() + timeout_ms * 1000)
        return identity.transaction

    def end(self, transactional_id: str, epoch: int, *, commit: bool) -> None:
        """Commits or aborts what is open, if anything is."""
        self.check(transactional_id, epoch)
        self._finish(self._identities[transactional_id], commit=commit)

    def end_late(self, transactional_id: str, epoch: int, *, commit: bool) -> None:
        """Does the same, but the request arrives only at `deliver_late`."""

        identity = self._identities[transactional_id]

        def request() -> None:
            if identity.epoch == epoch:
                self._finish(identity, commit=commit)

        identity.late.append(request)

    def deliver_late(self, transactional_id: str) -> None:
        """Requests that were still under way arrive; they count if their epoch is still the newest."""
        identity = self._identities[transactional_id]
        late, identity.late = identity.late, []
        for request in late:
            request()

    def expire(self) -> None:
        """Aborts transactions older than their timeout; their producers are fenced."""
        for identity in self._identities.values():
            if identity.transaction is not None and self._clock.now() >= identity.transaction.deadline:
                self._finish(identity, commit=False)
                identity.epoch += 1

    def pending(self, group: str, topic: str, partition: int) -> bool:
        """Whether an open transaction is about to change this offset."""
        return any(
            identity.transaction is not None and (group, topic, partition) in identity.transaction.offsets
            for identity in self._identities.values()
        )

    def _finish(self, identity: _Identity, *, commit: bool) -> None:
        transaction, identity.transaction = identity.transaction, None
        if transaction is None:
            return
        transaction.outcome = "committed" if commit else "aborted"
        for log in transaction.logs:
            log.mark(transaction, self._clock.now() // 1000)
        if commit:
            self._apply_offsets(transaction)
