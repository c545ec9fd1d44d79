"""The desk on the exactly-once runner: one instance works, the others stand by and restore its state to take over."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from typing import Any
from uuid import uuid4

from interlock.processors.desk.outputs import DeskOutputs
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.reply_cache import REMEMBERED_FOR
from interlock.processors.desk.restore import REMEMBERED_TOPICS, RESTORED_TOPICS
from interlock.processors.desk.stream_clock import Takeover, tick_id
from interlock.schemas import catalogue
from interlock.services.desk_time import write_tick
from interlock.services.finding_alerts import expired_teller
from interlock.streams.clock import Clock, SteadyClock
from interlock.streams.metrics import Metrics
from interlock.streams.ports import Broker, Message
from interlock.streams.runner import Runner, RunnerSettings
from interlock.streams.tables import TableReader

INPUTS = tuple(topic.name for topic in catalogue.DESK_INPUTS)

# How late a timer may fire; people count in minutes.
TICK_SECONDS = 0.5

# A backlog of decisions is read in batches of some tenths of a second, which leave room for commands in between.
MAX_BATCH = 1_000

# A person waits for the answer to a command.
MAX_WAIT_SECONDS = 0.005

# Replies and alerts are found by the broker's clock, and remembered by the desk's.
_CLOCKS_DIFFER_MS = 3_600_000


def desk_runner(
    broker: Broker,
    processor: DeskProcessor,
    followed: TableReader,
    instance: str,
    *,
    metrics: Metrics | None = None,
    stop: threading.Event | None = None,
    clock: Clock | None = None,
    executor: Executor | None = None,
    consumer_overrides: Mapping[str, Any] | None = None,
) -> Runner:
    """A runner for `processor`, which has applied what `followed` held so far; it applies further records itself.

    `clock` and `executor` are for tests.
    """
    counts = metrics or Metrics("desk")
    counts.expose("open_tasks", "replayed")
    counts.expose("task_events", event="breached")
    time = clock or SteadyClock()

    def refresh() -> None:
        for record in followed.poll():
            processor.follow(record)

    def restore() -> None:
        name, written = str(uuid4()), time.now()
        kafka = write_tick(broker, tick_id(name, 0), written)
        heard = time.now()
        with closing(TableReader(broker, RESTORED_TOPICS, once=True)) as tables:
            processor.restore(_each(tables, counts), _remembered(broker, processor, kafka, counts))
        if processor.clock is not None:
            processor.resume(Takeover(name, written, heard, kafka), time.now())
        for topic, count in processor.unreadable.items():
            counts.set("unreadable_state", count, topic=topic)

    return Runner(
        broker,
        InstrumentedDesk(processor, counts),
        RunnerSettings(
            group=catalogue.DESK_GROUP,
            instance=instance,
            inputs=INPUTS,
            max_batch=MAX_BATCH,
            max_wait_seconds=MAX_WAIT_SECONDS,
            exclusive=True,
            tick_seconds=TICK_SECONDS,
            consumer_overrides=consumer_overrides or {},
        ),
        clock=time,
        before_batch=refresh,
        restore=restore,
        metrics=counts,
        stop=stop,
        executor=executor,
        on_expired=expired_teller(broker, "desk", catalogue.DESK_GROUP),
    )


def _remembered(broker: Broker, processor: DeskProcessor, kafka: int, counts: Metrics) -> Iterator[Message]:
    """The replies and alerts that the desk must know, read when its other records have told the time to which it had
    come: before an outage of days, perhaps."""
    since = (min(kafka, processor.latest) - REMEMBERED_FOR) // 1_000 - _CLOCKS_DIFFER_MS
    # A new desk has no record; negative times mean something else to Kafka.
    with closing(TableReader(broker, REMEMBERED_TOPICS, since=max(0, since), once=True)) as found:
        yield from _each(found, counts)


def _each(table: TableReader, counts: Metrics) -> Iterator[Message]:
    """The records one by one: compaction comes late, and all versions together would take many times the memory."""
    for part in table.read_parts():
        counts.add("replayed", len(part))
        yield from part


class InstrumentedDesk:
    """The desk, with commands, dead letters and open tasks as metrics."""

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
        for event, count in outputs.changes.items():
            self._metrics.add("task_events", count, event=event)
        self._metrics.set("open_tasks", self._desk.desk.state.open)
        return outputs
