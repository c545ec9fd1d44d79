"""Hands to an executor what takes effect: once by its id, in order, and never lost.

from interlock.executors import Execution, Executor
from interlock.streams.kafka import KafkaBroker

def carry_out(execution: Execution) -> None: …

Executor(KafkaBroker("localhost:9092"), "loan-payments", carry_out).run(stop)
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Pool
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException

from interlock.executors.dead_letters import SequencedDeadLetters, replayed
from interlock.executors.execution import Execution, action_id
from interlock.schemas import catalogue
from interlock.streams.clock import Clock, SystemClock
from interlock.streams.dispatch.deliveries import Job, Schedule
from interlock.streams.dispatch.dispatcher import Dispatcher
from interlock.streams.dispatch.seen import MemorySeen, Seen
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message

if TYPE_CHECKING:
    from interlock.encryption.keys import KeyStore

log = logging.getLogger(__name__)

_READ = (catalogue.AUTO_APPROVED.name, catalogue.ACTIONS.name, catalogue.ACTIONS_RETRY.name)

Handler = Callable[[Execution], None]


class Executor:
    """Reads `decisions.auto-approved`, `actions`, and its dead letters on `actions.retry`, as one member of a group.

    `handler` is called in several threads, but never for two executions of one decision at once, and for these in
    their order: a `roll_back` never overtakes its `execute`. When it returns, the execution is done and is not handed
    over again; when the process dies before that is remembered, it is, under the same `action_id`. A handler raises
    PermanentError for what can never succeed, which becomes a dead letter; after any other exception it is called
    again, as the schedule says, and the executions of other decisions go on meanwhile.

    While an execution of a decision is a dead letter, later ones wait behind it as dead letters, or overrule it: what a
    later version has overruled is never handed over, and neither is the `roll_back` of what was not carried out.
    """

    def __init__(
        self,
        broker: Broker,
        group: str,
        handler: Handler,
        *,
        seen: Seen | None = None,
        schedule: Schedule | None = None,
        concurrency: int = 8,
        clock: Clock | None = None,
        pool: Pool | None = None,
        metrics: Metrics | None = None,
        keys: "KeyStore | None" = None,
    ) -> None:
        """`seen`: what was done already, by default remembered in memory. `pool`: replaces the `concurrency` threads.
        `keys`: open what was encrypted before it entered Kafka.

        Raises KafkaException if a topic does not exist, or has another number of partitions than the others.
        """
        _check_topics(broker)
        self._dead_letters = SequencedDeadLetters(broker, group, clock or SystemClock())
        self._engine = Dispatcher(
            broker,
            group,
            _READ,
            partial(_jobs, group, keys),
            handler,
            self._dead_letters,
            seen=seen if seen is not None else MemorySeen(),
            schedule=schedule,
            concurrency=concurrency,
            clock=clock,
            pool=pool,
            metrics=metrics,
        )

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; raises KafkaException where only a person can help."""
        with closing(self._dead_letters):
            self._engine.run(stop)

    def step(self) -> None:
        """One turn, for callers with a loop of their own."""
        self._engine.step()

    def close(self) -> None:
        """Waits for what is being done and leaves the group; `run` does it by itself."""
        with closing(self._dead_letters):
            self._engine.close()


def _check_topics(broker: Broker) -> None:
    """What belongs to one decision has the same partition number on each of them, so that it meets in one process."""
    names = (*_READ, catalogue.ACTION_SEQUENCES.name)
    states = broker.topic_states(names)
    missing = sorted(set(names) - states.keys())
    if missing:
        absent = f"topic {', '.join(missing)} does not exist: create the topics first"
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, absent))
    if len({state.partitions for state in states.values()}) > 1:
        found = ", ".join(f"{name} has {states[name].partitions}" for name in names)
        reason = f"executors need the same number of partitions on all their topics, but {found}"
        raise KafkaException(KafkaError(KafkaError.INVALID_PARTITIONS, reason))


def _jobs(group: str, keys: "KeyStore | None", message: Message) -> Sequence[Job[Execution]]:
    if message.topic() != catalogue.ACTIONS_RETRY.name:
        return [_job(Execution.from_message(message, keys))]
    again = replayed(message)
    if again is None:
        place = f"{message.topic()}[{message.partition()}] at offset {message.offset()}"
        log.warning("%s: %s does not say which group it belongs to, and is left out", group, place)
        return []
    if again.retry.group != group:
        return []
    job = _job(Execution.from_message(again, keys))
    # What overrules it may be written already: that is read before.
    return [replace(job, after=None, behind=catalogue.ACTIONS.name)]


def _job(execution: Execution) -> Job[Execution]:
    after = None
    if execution.kind == "roll_back":
        # Only this meets another topic: what it takes back may have taken effect by itself.
        after = (catalogue.AUTO_APPROVED.name, action_id(execution.decision_id, execution.version, "execute"))
    return Job(execution.action_id, execution.decision_id, execution, after, effect=execution.effect)
