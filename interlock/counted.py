"""Router and desk with what they do and put aside counted.

A batch that is processed again after a failure is counted again: metrics tell of the work, ClickHouse of the result.
"""

from collections.abc import Sequence

from processors.desk.processor import DeskProcessor
from processors.desk.processor import Outputs as DeskOutputs
from processors.router.router import Outputs, Router
from streams.metrics import Metrics
from streams.ports import Message


class CountedRouter:
    """The router, counted."""

    def __init__(self, router: Router, metrics: Metrics) -> None:
        self._router = router
        self._metrics = metrics

    def process(self, messages: Sequence[Message], now: int) -> Outputs:
        """As the router does."""
        outputs = self._router.process(messages, now)
        for reason, count in outputs.bad.items():
            self._metrics.add("dead_letters", count, reason=reason)
        self._metrics.set("breaker_share", self._router.bad_share)
        return outputs


class CountedDesk:
    """The desk, counted."""

    def __init__(self, desk: DeskProcessor, metrics: Metrics) -> None:
        self._desk = desk
        self._metrics = metrics

    def process(self, messages: Sequence[Message], now: int) -> DeskOutputs:
        """As the desk does."""
        outputs = self._desk.process(messages, now)
        for reason, count in outputs.bad.items():
            self._metrics.add("dead_letters", count, reason=reason)
        for code, count in outputs.codes.items():
            self._metrics.add("commands", count, code=code)
        self._metrics.set("open_tasks", self._desk.desk.state.open)
        return outputs
