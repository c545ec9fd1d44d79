"""The router on its runner: what joins it to Kafka, the same in the service and in tests."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from interlock.processors.events import Event
from interlock.processors.router.authority import PolicyAuthority, unsigned
from interlock.processors.router.router import Router, RouterOutputs, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue
from interlock.streams.clock import Clock
from interlock.streams.expired import Expired
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message
from interlock.streams.ranges import read_batches
from interlock.streams.runner import Runner, RunnerSettings
from interlock.streams.tables import TableReader

TABLES = (
    catalogue.POLICIES.name,
    catalogue.POLICY_CANDIDATES.name,
    catalogue.CONTROLS.name,
    catalogue.CALIBRATION_MODELS.name,
)


def router_runner(
    broker: Broker,
    state: RouterState,
    settings: RouterSettings,
    tables: TableReader,
    instance: str,
    *,
    max_batch: int | None = None,
    max_wait_seconds: float | None = None,
    metrics: Metrics | None = None,
    stop: threading.Event | None = None,
    on_expired: Callable[[list[Expired]], None] = lambda _: None,
    take: Callable[[Message], None] | None = None,
    clock: Clock | None = None,
    executor: Executor | None = None,
    consumer_overrides: Mapping[str, Any] | None = None,
) -> Runner:
    """A runner that routes under `state`, which has what `tables` (of TABLES) held so far; it applies further records.

    `take`: applies a record of the tables instead, where not every one counts. `clock` and `executor` are for tests.
    """
    counts = metrics or Metrics("router")
    counts.expose("repeated", "breaker_share")
    router = Router(state, settings, lambda *place: _earlier_decisions(broker, *place))

    apply = take or (lambda message: state.apply(message.topic(), message.key(), message.value()))

    def refresh() -> None:
        for message in tables.poll():
            apply(message)

    run = RunnerSettings(
        group=catalogue.ROUTER_GROUP,
        instance=instance,
        inputs=(catalogue.DECISIONS.name,),
        consumer_overrides=consumer_overrides or {},
        producer_overrides={"message.max.bytes": catalogue.MAX_ROUTED_BYTES},
    )
    return Runner(
        broker,
        _InstrumentedRouter(router, counts),
        replace(
            run,
            max_batch=run.max_batch if max_batch is None else max_batch,
            max_wait_seconds=run.max_wait_seconds if max_wait_seconds is None else max_wait_seconds,
        ),
        clock=clock,
        before_batch=refresh,
        assigned=lambda partitions: router.assigned([partition.partition for partition in partitions]),
        metrics=counts,
        stop=stop,
        executor=executor,
        on_expired=on_expired,
    )


def signed_only(
    state: RouterState, authority: PolicyAuthority, tell: Callable[[list[Event]], None], clock: Clock
) -> Callable[[Message], None]:
    """Applies the records of TABLES that count; what does not is handed to `tell` as an alert."""

    def take(message: Message) -> None:
        why = authority.distrust(message)
        if why is None:
            state.apply(message.topic(), message.key(), message.value())
        else:
            tell([unsigned(message, why, clock.now())])

    return take


def _earlier_decisions(broker: Broker, partition: int, start: int, end: int) -> Iterator[Sequence[Message]]:
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
