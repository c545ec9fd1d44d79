"""Notices on the exactly-once runner: what joins their processor to Kafka, the same in the service and in tests."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from interlock.encryption.keys import KeyStore
from interlock.errors import UnavailableError
from interlock.processors.notices.due import Due
from interlock.processors.notices.processor import NoticesProcessor
from interlock.processors.notices.words import Words
from interlock.processors.notices.writing import PayloadLostError
from interlock.processors.records import OutputLists
from interlock.review.payload import PayloadReader
from interlock.schemas import catalogue, wire
from interlock.services.finding_alerts import expired_teller
from interlock.services.retry import wait_until_available
from interlock.sinks.opening import SealedContentError
from interlock.streams.clock import Clock
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message
from interlock.streams.runner import Runner, RunnerSettings
from interlock.streams.tables import TableReader

TABLES = (catalogue.POLICIES.name,)

# Each notice about a decision of people fetches its payload, some milliseconds each: a batch takes seconds at most.
MAX_BATCH = 2_000


def notices_runner(
    broker: Broker,
    words: Words,
    tables: TableReader,
    payloads: PayloadReader,
    instance: str,
    *,
    metrics: Metrics | None = None,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    executor: Executor | None = None,
    keys: Callable[[], KeyStore | None] = lambda: None,
    consumer_overrides: Mapping[str, Any] | None = None,
) -> Runner:
    """A runner that writes notices with `words`, which have what `tables` held so far; it applies further records.

    `clock` and `executor` are for tests. `keys`: open what producers encrypted.
    """
    counts = metrics or Metrics("notices")
    for result in ("written", "unwritable"):
        counts.expose("notices", result=result)
    ending = stop or threading.Event()

    def refresh() -> None:
        for message in tables.poll():
            words.apply(message.key(), message.value())

    return Runner(
        broker,
        _InstrumentedNotices(NoticesProcessor(words, fetcher(payloads, ending), keys), counts),
        RunnerSettings(
            group=catalogue.NOTICES_GROUP,
            instance=instance,
            inputs=(catalogue.AUTO_APPROVED.name, catalogue.ACTIONS.name),
            max_batch=MAX_BATCH,
            consumer_overrides=consumer_overrides or {},
        ),
        clock=clock,
        before_batch=refresh,
        metrics=counts,
        stop=ending,
        executor=executor,
        on_expired=expired_teller(broker, "notices", catalogue.NOTICES_GROUP),
    )


def fetcher(payloads: PayloadReader, stop: threading.Event) -> Callable[[Due], Mapping[str, Any]]:
    """Returns a function that fetches the `RoutedDecision` of a notice, and waits for ClickHouse where only that may
    have it. It raises PayloadLostError, and KafkaException for the runner to try again."""

    def fetch(due: Due) -> Mapping[str, Any]:
        where = f"{due.topic} {due.partition}:{due.offset}"

        def read() -> bytes | None:
            return payloads.stored(due.topic, due.partition, due.offset, due.decision_id)

        try:
            value = wait_until_available(read, stop)
        except SealedContentError as error:
            raise PayloadLostError(str(error)) from error
        if value is None and stop.is_set():
            raise UnavailableError(f"stopped before {where} could be read")
        if value is None:
            raise PayloadLostError(f"neither Kafka nor ClickHouse has {where}, the decision it is about")
        try:
            routed = wire.decode_plain("RoutedDecision", value)
        except wire.WireError as error:
            raise PayloadLostError(f"what stands at {where} is damaged: {error}") from error
        if routed["decision"]["decision_id"] != due.decision_id:
            raise PayloadLostError(f"what stands at {where} is another decision: was the topic created again?")
        return routed

    return fetch


class _InstrumentedNotices:
    """The processor, with what it wrote as metrics."""

    def __init__(self, processor: NoticesProcessor, metrics: Metrics) -> None:
        self._processor = processor
        self._metrics = metrics

    def process(self, messages: Sequence[Message], now: int) -> OutputLists:
        """As the processor does."""
        outputs = self._processor.process(messages, now)
        for result, count in self._processor.counts.items():
            self._metrics.add("notices", count, result=result)
        return outputs
