"""The router as a service: decisions in, routes out, exactly once."""

from collections.abc import Sequence
from contextlib import closing

import structlog

from interlock.errors import OperatorRequiredError
from interlock.platform.connection import Platform
from interlock.processors.router.breaker import TooManyBadMessagesError
from interlock.processors.router.router import Router, RouterOutputs, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue
from interlock.services.common import serve_metrics, stop_on_signals, table_reader
from interlock.services.retry import wait_until_available
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Message
from interlock.streams.runner import ProcessingError, Runner, RunnerSettings, UnrecoverableError

log = structlog.get_logger()


def run(platform: Platform) -> None:
    """Routes decisions, exactly once."""

    stop = stop_on_signals()
    metrics = Metrics("router")
    configured = platform.settings.router
    audit_key = platform.audit_key
    state = RouterState()
    topics = [catalogue.POLICIES.name, catalogue.CONTROLS.name, catalogue.CALIBRATION_MODELS.name]
    # Nothing is routed before the tables are known: without its policy a decision would go to a person.

    def take(message: Message) -> None:
        state.apply(message.topic(), message.key(), message.value())

    tables = wait_until_available(lambda: table_reader(platform, topics, take), stop)
    if tables is None:
        return
    with closing(tables):

        def refresh() -> None:
            for message in tables.poll():
                take(message)

        runner = Runner(
            platform.kafka(),
            _InstrumentedRouter(Router(state, RouterSettings(audit_key, configured.max_bad_share)), metrics),
            RunnerSettings(
                group=catalogue.ROUTER_GROUP,
                instance=platform.settings.instance_id,
                inputs=(catalogue.DECISIONS.name,),
                max_batch=configured.max_batch,
                max_wait_seconds=configured.max_wait_seconds,
            ),
            before_batch=refresh,
            metrics=metrics,
            stop=stop,
        )
        serve_metrics(metrics, platform.settings.metrics_port)
        log.info("router runs", kafka=platform.bootstrap_servers, policies=sorted(state.policies))
        try:
            runner.run()
        except UnrecoverableError as error:
            raise OperatorRequiredError(str(error)) from error
        except ProcessingError as error:
            if isinstance(error.__cause__, TooManyBadMessagesError):
                raise OperatorRequiredError(str(error.__cause__)) from error
            raise OperatorRequiredError(str(error)) from error
    log.info("router stopped")


class _InstrumentedRouter:
    """The router, with dead letters and the breaker as metrics. A batch that is processed again after a failure is
    counted again: metrics count work, ClickHouse counts results."""

    def __init__(self, router: Router, metrics: Metrics) -> None:
        self._router = router
        self._metrics = metrics

    def process(self, messages: Sequence[Message], now: int) -> RouterOutputs:
        """As the router does."""
        outputs = self._router.process(messages, now)
        for reason, count in outputs.bad.items():
            self._metrics.add("dead_letters", count, reason=reason)
        self._metrics.set("breaker_share", self._router.bad_share)
        return outputs
