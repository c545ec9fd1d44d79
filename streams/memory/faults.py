"""Faults on demand: every operation of a client is a numbered step at which something may go wrong."""

from collections.abc import Mapping
from typing import Literal

from confluent_kafka import KafkaError, KafkaException

# `:before`: the request never reached the broker; `:after`: it took effect but the answer got lost.
Step = Literal[
    "init:before",
    "init:after",
    "begin",
    "produce",
    "flush",
    "offsets:before",
    "offsets:after",
    "commit:before",
    "commit:after",
    "abort:before",
    "abort:after",
    "consume",
    "committed",
    "seek",
    "group-commit:before",
    "group-commit:after",
    "close",
]


class Crash(BaseException):
    """The process dies at this step (kill -9): all its clients are dead from now on and clean nothing up.

    Not an Exception, because no handler of a dying process runs either.
    """


class Late(Exception):
    """The request of a `:before` step is still under way when the client gives up with `error`.

    The broker performs it at the worst moment: just before it serves the next `init_transactions`, or in the
    middle of the next transaction if the producer went on using the same epoch.
    """

    def __init__(self, error: KafkaException) -> None:
        super().__init__(error)
        self.error = error


class FaultPlan:
    """Which step fails how. Steps are counted from 0 over all clients of the process; `steps`: those taken so far.

    `max_transaction_bytes`: over a slow link, the commit of a larger transaction times out.
    """

    def __init__(self, faults: Mapping[int, BaseException] | None = None) -> None:
        self.steps: list[Step] = []
        self.max_transaction_bytes: int | None = None
        self._faults = dict(faults or {})
        self._named: dict[Step, BaseException] = {}

    def inject(self, fault: BaseException, after: int = 0) -> None:
        """Plans `fault` for the step that follows the next `after` steps."""
        self._faults[len(self.steps) + after] = fault

    def inject_at(self, step: Step, fault: BaseException) -> None:
        """Plans `fault` for the next step of that name."""
        self._named[step] = fault

    def clear(self) -> None:
        """Forgets all planned faults."""
        self._faults.clear()
        self._named.clear()

    def reach(self, step: Step) -> None:
        """Takes a step; raises what is planned for it."""
        fault = self._faults.pop(len(self.steps), None) or self._named.pop(step, None)
        self.steps.append(step)
        if fault is not None:
            raise fault


def timed_out() -> KafkaException:
    """The outcome is unknown."""
    return KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer in time", retriable=True))


def unavailable() -> KafkaException:
    """No broker answers."""
    return KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN, "no broker is reachable", retriable=True))


def abortable() -> KafkaException:
    """The transaction failed, the producer lives on."""
    return KafkaException(KafkaError(KafkaError.NOT_ENOUGH_REPLICAS, "too few replicas", txn_requires_abort=True))


def fenced() -> KafkaException:
    """A newer producer has the transactional id."""
    return KafkaException(KafkaError(KafkaError._FENCED, "fenced by a newer producer", fatal=True))
