"""The router with what it puts aside counted."""

from collections.abc import Sequence

from processors.router.router import Outputs, Router
from streams.metrics import Metrics
from streams.ports import Message


class CountedRouter:
    """A batch that is processed again after a failure is counted again: metrics tell of the work, ClickHouse of the
    result."""

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
