"""Hands to an executor what takes effect: once by its id, in order, and never lost.

from interlock.executors import Execution, Executor
from interlock.streams.kafka import KafkaBroker

def carry_out(execution: Execution) -> None: …

Executor(KafkaBroker("localhost:9092"), "loan-payments", carry_out).run(stop)
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Pool

from interlock.executors.execution import Execution, action_id
from interlock.schemas import catalogue
from interlock.streams.clock import Clock
from interlock.streams.dispatch.dead_letters import DeadLetters
from interlock.streams.dispatch.deliveries import Job, Schedule
from interlock.streams.dispatch.dispatcher import Dispatcher
from interlock.streams.dispatch.seen import MemorySeen, Seen
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message

Handler = Callable[[Execution], None]


class Executor:
    """Reads `decisions.auto-approved` and `actions` as one member of a group.

    `handler` is called in several threads, but never for two executions of one decision at once, and for these in
    their order: a `roll_back` never overtakes its `execute`. When it returns, the execution is done and is not handed
    over again; when the process dies before that is remembered, it is, under the same `action_id`. A handler raises
    PermanentError for what can never succeed, which becomes a dead letter; after any other exception it is called
    again, as the schedule says, and the executions of other decisions go on meanwhile.
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
    ) -> None:
        """`seen`: what was done already, by default remembered in memory. `pool`: replaces the `concurrency` threads.

        Raises KafkaException if a topic does not exist.
        """
        self._engine = Dispatcher(
            broker,
            group,
            [catalogue.AUTO_APPROVED.name, catalogue.ACTIONS.name],
            _jobs,
            handler,
            DeadLetters(broker, group),
            seen=seen if seen is not None else MemorySeen(),
            schedule=schedule,
            concurrency=concurrency,
            clock=clock,
            pool=pool,
            metrics=metrics,
        )

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set; raises KafkaException where only a person can help."""
        self._engine.run(stop)

    def step(self) -> None:
        """One turn, for callers with a loop of their own."""
        self._engine.step()

    def close(self) -> None:
        """Waits for what is being done and leaves the group; `run` does it by itself."""
        self._engine.close()


def _jobs(message: Message) -> Sequence[Job[Execution]]:
    execution = Execution.from_message(message)
    after = None
    if execution.kind == "roll_back":
        # Only this meets another topic: what it takes back may have taken effect by itself.
        after = (catalogue.AUTO_APPROVED.name, action_id(execution.decision_id, execution.version, "execute"))
    return [Job(execution.action_id, execution.decision_id, execution, after)]
