"""Actions that an executor group could not carry out: dead letters that keep the order of their decision.

What is written, and in which order: first `actions.sequences`, so that nothing overtakes the dead letter, then
`dead-letter`, then the offset of the record.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from interlock.executors import order
from interlock.executors.execution import Execution
from interlock.executors.order import SequencedAction
from interlock.executors.sequences import DELIVERY_SECONDS, Sequences
from interlock.processors.events import alert
from interlock.schemas import catalogue, wire
from interlock.schemas.dead_letters import CONTRADICTION, Source, dead_letter
from interlock.schemas.headers import headers_of
from interlock.schemas.retry_headers import Retry, read_retry_headers, without_retry_headers
from interlock.schemas.wire import WireError
from interlock.streams.clock import Clock
from interlock.streams.dispatch.dead_letters import Admission
from interlock.streams.dispatch.deliveries import Job
from interlock.streams.ports import Broker, Message, Partition
from interlock.streams.sending import Outgoing, send_and_wait

# Why a record is not even in the format that all Interlock's values have.
_FOREIGN = frozenset({"empty-value", "not-wire-format"})


class Replayed:
    """A record of `actions.retry` as it was read at first."""

    def __init__(self, message: Message, retry: Retry) -> None:
        self._message = message
        self.retry = retry

    def topic(self) -> str:
        return self.retry.topic

    def partition(self) -> int:
        return self.retry.partition

    def offset(self) -> int:
        return self.retry.offset

    def headers(self) -> Any:
        return without_retry_headers(headers_of(self._message))

    def key(self) -> bytes | None:
        return self._message.key()

    def value(self) -> bytes | None:
        return self._message.value()

    def timestamp(self) -> tuple[int, int]:
        return self._message.timestamp()

    def error(self) -> None:
        return None


def replayed(message: Message) -> Replayed | None:
    """None for a record that was not replayed, or names no group."""
    if message.topic() != catalogue.ACTIONS_RETRY.name:
        return None
    retry = read_retry_headers(headers_of(message))
    return None if retry is None else Replayed(message, retry)


class SequencedDeadLetters:
    """`interlock.streams.dispatch.dead_letters.DeadLetters` for executors: while an action of a decision is a dead
    letter, later ones of that decision wait behind it, or overrule it."""

    def __init__(self, broker: Broker, group: str, clock: Clock) -> None:
        self._group = group
        self._clock = clock
        self._producer = broker.producer(None, {"message.timeout.ms": int(DELIVERY_SECONDS * 1000)})
        self._sequences = Sequences(broker, group, self._producer, clock)
        self._committed: dict[Partition, int] = {}

    def restore(self, numbers: Collection[int]) -> None:
        self._sequences.restore(numbers)

    def forget(self, numbers: Collection[int]) -> None:
        self._sequences.forget(numbers)
        self._committed = {place: offset for place, offset in self._committed.items() if place[1] not in numbers}

    def admit(self, message: Message, job: Job[Any]) -> Admission:
        known = self._sequences.get(message.partition(), job.lane)
        again = replayed(message)
        if again is None:
            if not known or _is_foreign(job):
                return Admission("hand_over")
            step = order.next_step(known, _action(message, job))
        else:
            place = _place(again)
            step = order.next_step_of_replayed(known, place)
            if again.retry.order == "discard" and step.what != "leave_out":
                step = order.Step("leave_out", order.discarded(known, place), "it was discarded")
        self._know(message.partition(), job.lane, known, step.actions)
        return Admission(step.what, step.reason)

    def put(self, message: Message, job: Job[Any], code: str, reason: str, *, in_doubt: bool) -> bool:
        again = replayed(message)
        source = again or message
        if not _is_foreign(job):
            known = self._sequences.get(message.partition(), job.lane)
            action = replace(_action(source, job), in_doubt=in_doubt)
            self._know(message.partition(), job.lane, known, order.put_aside(known, action))
        key, value, headers = dead_letter(Source.of(source), code, reason, self._group)
        letter = Outgoing(catalogue.DEAD_LETTER.name, key, value, [*headers])
        letters = [letter]
        if code == CONTRADICTION and again is None:
            letters.append(self._alert(job, reason))
        send_and_wait(self._producer, letters, DELIVERY_SECONDS)
        return again is None

    def _alert(self, job: Job[Any], reason: str) -> Outgoing:
        cause = f"{job.effect_key}/{self._group}"
        event = alert(CONTRADICTION, cause, "critical", (), f"{self._group}: {reason}", self._clock.now())
        assert event.record is not None
        return Outgoing(event.topic.name, event.key.encode(), wire.encode("Alert", event.record))

    def done(self, message: Message, job: Job[Any]) -> None:
        known = self._sequences.get(message.partition(), job.lane)
        after = order.done(known, job.id, _place(replayed(message) or message))
        self._know(message.partition(), job.lane, known, after)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        self._committed |= offsets
        self._sequences.prune(self._committed)

    def close(self) -> None:
        """Of no use any more afterwards."""
        self._sequences.close()

    def _know(self, number: int, decision_id: str, before: order.Actions, after: order.Actions) -> None:
        if after != before:
            self._sequences.put(number, decision_id, order.pruned(after, self._committed))


def _is_foreign(job: Job[Any]) -> bool:
    """Whether no version of Interlock wrote the record: then it is no action, and nothing waits for it."""
    return isinstance(job.work, WireError) and job.work.reason in _FOREIGN


def _place(source: Message) -> tuple[str, int, int]:
    return source.topic(), source.partition(), source.offset()


def _action(source: Message, job: Job[Any]) -> SequencedAction:
    place = _place(source)
    if isinstance(job.work, Execution):
        return SequencedAction(*place, job.work.action_id, job.work.kind, job.work.version)
    # It cannot be read. What takes effect by itself is the execution of version 1 whatever it says.
    automatic = source.topic() == catalogue.AUTO_APPROVED.name
    name = "/".join(map(str, place))
    return SequencedAction(*place, name, "execute" if automatic else "", int(automatic))
