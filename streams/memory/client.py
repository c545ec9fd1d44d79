"""What both kinds of client share: they belong to a process and suffer its faults."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from interlock.streams.memory.cluster import Cluster, Process
from interlock.streams.memory.faults import Crash, FaultPlan, Step


class Client:
    """A client of a process that may be dead."""

    def __init__(self, cluster: Cluster, process: Process, faults: FaultPlan) -> None:
        self._cluster = cluster
        self._process = process
        self._faults = faults
        self._closed = False

    @contextmanager
    def _request(self) -> Iterator[None]:
        """Serves one request at a time, after what time alone has brought about."""
        with self._cluster.changed:
            self._alive()
            self._cluster.tick()
            yield
            self._cluster.changed.notify_all()

    def _alive(self) -> None:
        if self._process.died is not None:
            raise Crash("the process is dead")
        if self._closed:
            raise RuntimeError("the client is closed")

    def _reach(self, step: Step) -> None:
        try:
            self._faults.reach(step)
        except Crash:
            self._process.died = self._cluster.clock.now()
            raise


def error(code: int, reason: str, *, fatal: bool = False, requires_abort: bool = False) -> KafkaException:
    """A KafkaException as librdkafka raises it."""
    return KafkaException(KafkaError(code, reason, fatal=fatal, txn_requires_abort=requires_abort))
