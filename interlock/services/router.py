"""The router as a service: decisions in, routes out, exactly once."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import structlog

from interlock.errors import OperatorRequiredError
from interlock.platform.connection import Platform
from interlock.processors.router.breaker import TooManyBadMessagesError
from interlock.processors.router.router import Router, RouterOutputs, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue
from interlock.services.common import stop_on_signals, table_reader
from interlock.services.endpoint import serve
from interlock.services.finding_alerts import expired_teller
from interlock.services.liveness import watch_role
from interlock.services.retry import wait_until_available
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import read_batches
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

        broker = platform.kafka()
        settings = RouterSettings(audit_key, configured.max_bad_share, remembered_ids=configured.remembered_ids)
        router = Router(state, settings, lambda *place: earlier_decisions(broker, *place))
        runner = Runner(
            broker,
            _InstrumentedRouter(router, metrics),
            RunnerSettings(
                group=catalogue.ROUTER_GROUP,
                instance=platform.settings.instance_id,
                inputs=(catalogue.DECISIONS.name,),
                max_batch=configured.max_batch,
                max_wait_seconds=configured.max_wait_seconds,
                producer_overrides={"message.max.bytes": catalogue.MAX_ROUTED_BYTES},
            ),
            before_batch=refresh,
            assigned=lambda partitions: router.assigned([partition.partition for partition in partitions]),
            metrics=metrics,
            stop=stop,
            on_expired=expired_teller(platform.kafka(), "router", catalogue.ROUTER_GROUP),
        )
        serve(metrics, platform.settings, health=watch_role(platform, "router", stop))
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


def earlier_decisions(broker: Broker, partition: int, start: int, end: int) -> Iterator[Sequence[Message]]:
    """Records of a partition of `decisions` from one offset to before another, in parts. Raises KafkaException."""
    # Not ended by a signal to stop: what has been read in part must not be taken for the whole.
    place = (catalogue.DECISIONS.name, partition)
    return read_batches(broker, {place: start}, {place: end})


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
        if outputs.repeated:
            self._metrics.add("repeated", outputs.repeated)
        self._metrics.set("breaker_share", self._router.bad_share)
        return outputs
