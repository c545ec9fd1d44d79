"""Folds: what follows from the records of a topic in their order, on Faust.

State is kept in memory only. A worker that is assigned a partition folds its records again from the first to the
committed offset without any output, and goes on from there: what a killed worker did not write is written by the next
one, and some of it twice. That makes a fold simple and exact, where every output has an id that follows from its input.

Kafka acknowledges the outputs of a record before its offset may be committed; records are processed one by one.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from interlock.schemas import catalogue
from interlock.schemas.dead_letters import Source
from interlock.schemas.dead_letters import dead_letter as make_dead_letter
from interlock.schemas.headers import headers_of
from interlock.streams.ports import Broker
from interlock.streams.ranges import read_range
from interlock.streams.when_set import when_set

if TYPE_CHECKING:
    import faust

# How often a fold looks at its membership, of which it is told nothing. What it looks for lasts for longer.
_LOOK_SECONDS = 2.0

# Longer than the last commit takes; what is not committed by then is folded again.
_SHUTDOWN_TIMEOUT_SECONDS = 10.0

# Modules of aiokafka import each other. A role starts several folds at once, each in a thread: of threads that import
# them together one may get a module that is not complete yet, and fail.
_IMPORTING = threading.Lock()


@dataclass(frozen=True)
class FoldSettings:
    """`properties`: librdkafka's, for security. `instance`: tells apart the members of a group, and stays the same over
    restarts. `max_replay_offsets`: state is rebuilt from at most so many offsets, for topics too long to be read from
    their beginning; None: from all. `tick_seconds`: between two ticks, for folds that have any: people wait for what
    follows from time alone for hours. `heartbeat_seconds`: how late a member learns that another has come; one that was
    killed is missed after four times as long, unless it comes again."""

    group: str
    topic: str
    bootstrap_servers: str
    properties: Mapping[str, str] = field(default_factory=dict)
    instance: str = "1"
    commit_seconds: float = 1.0
    tick_seconds: float = 30.0
    max_replay_offsets: int | None = None
    # A group waits for a killed member for 8 s; with Faust's defaults for a minute.
    heartbeat_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `replayed`: its outputs were written before, only the state is wanted."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    replayed: bool


class Output(NamedTuple):
    """One record to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


OutputTuple = tuple[str, bytes | None, bytes | None]
Fold = Callable[[Record], Iterable[Output | OutputTuple]]
Tick = Callable[[], Iterable[Output | OutputTuple]]


@dataclass(frozen=True)
class TickingFold:
    """A fold of which time alone may make something. `tick`: called now and then, once there has been a record, and
    never while one is processed. What it makes MUST have ids that follow from records: it may be made again."""

    fold: Fold
    tick: Tick

    def __call__(self, record: Record) -> Iterable[Output | OutputTuple]:
        return self.fold(record)


def dead_letter(record: Record, reason: str, message: str, step: str) -> Output:
    """The dead letter of a record that a fold cannot use. Not for one that is replayed: it has its dead letter."""
    source = Source(record.topic, record.partition, record.offset, record.key, record.value, [*record.headers])
    key, value, headers = make_dead_letter(source, reason, message, step)
    return Output(catalogue.DEAD_LETTER.name, key, value, [(name, data or b"") for name, data in headers])


def run_fold(
    settings: FoldSettings, broker: Broker, fold: Fold, stop: threading.Event, tick: Tick | None = None
) -> None:
    """Calls `fold` with one record after the other, never two at once, until `stop` is set.

    Of several members of a group each has some of the partitions; the others stand by. Raises KafkaException, and
    whatever `fold` raises. The state of `fold` is then of no use any more: start again with a new one.
    """
    with _IMPORTING:
        from interlock.streams import faust_app  # noqa: F401 - takes a second, and only roles need it
    asyncio.run(_run(settings, Steps(settings, broker, fold, stop, tick), stop))


class Steps:
    """One record after the other, without gaps and without repetition, whatever happens to the group."""

    def __init__(
        self, settings: FoldSettings, broker: Broker, fold: Fold, stop: threading.Event, tick: Tick | None = None
    ) -> None:
        self._settings = settings
        self._broker = broker
        self._fold = fold
        self._stop = stop
        self._tick = tick
        # By partition: the offset after the last record that was folded, and the membership it was read under.
        self._next: dict[int, int] = {}
        self._generation: dict[int, int] = {}
        self.working = False
        """A record is being processed. Catching up before the first one may take minutes."""

    def process(self, record: Record, generation: int) -> list[Output]:
        """The outputs of `record`, read by this member in `generation` of the group."""
        self.working = True
        try:
            return self._process(record, generation)
        finally:
            self.working = False

    def tick(self) -> list[Output]:
        """What follows from time alone; nothing before the first record, with which the state is rebuilt."""
        if self._tick is None or not self._next or self._stop.is_set():
            return []
        return [Output(*output) for output in self._tick()]

    def _process(self, record: Record, generation: int) -> list[Output]:
        partition = record.partition
        if self._generation.get(partition) != generation:
            # Only now others may have gone on with the partition; later gaps are markers of transactions.
            self._catch_up(record)
            self._generation[partition] = generation
        if self._stop.is_set() or record.offset < self._next.get(partition, 0):
            return []  # it was processed before the group changed, and its outputs were written
        outputs = [Output(*output) for output in self._fold(record)]
        self._next[partition] = record.offset + 1
        return outputs

    def _catch_up(self, record: Record) -> None:
        topic, partition = record.topic, record.partition
        start = self._next.get(partition, 0)
        if self._settings.max_replay_offsets is not None:
            start = max(start, record.offset - self._settings.max_replay_offsets)
        if start >= record.offset:
            return
        missed = read_range(
            self._broker, {(topic, partition): start}, {(topic, partition): record.offset}, stop=self._stop
        )
        for message in missed:
            headers = headers_of(message)
            self._fold(
                Record(topic, partition, message.offset(), message.key(), message.value(), headers, replayed=True)
            )
            self._next[partition] = message.offset() + 1


class _Failures:
    """What the tasks of a fold failed with, for the one that ends it. `look`: set when there may be a reason to end."""

    def __init__(self) -> None:
        self.first: Exception | None = None
        self.look = asyncio.Event()

    def add(self, error: Exception) -> None:
        self.first = self.first or error
        self.look.set()


async def _run(settings: FoldSettings, steps: Steps, stop: threading.Event) -> None:
    from aiokafka.errors import KafkaError as ClientError

    from interlock.streams.faust_app import Membership, make_app, refusal

    app = make_app(
        settings.group,
        settings.bootstrap_servers,
        settings.properties,
        settings.instance,
        settings.commit_seconds,
        settings.heartbeat_seconds,
    )
    failures = _Failures()
    turn = asyncio.Lock()
    _follow(app, settings.topic, steps, stop, failures, turn)
    ticking = asyncio.create_task(_keep_ticking(app, settings, steps, failures, turn))
    # It ends with the first assignment, so that what keeps this member out of its group would keep it waiting.
    starting = asyncio.create_task(app.start())
    starting.add_done_callback(lambda _: failures.look.set())
    loop = asyncio.get_running_loop()
    forget_stop = when_set(stop, lambda: loop.call_soon_threadsafe(failures.look.set))
    membership = Membership(app, settings.topic)
    try:
        while not (stop.is_set() or failures.first or app.should_stop):
            if starting.done():
                starting.result()
            if trouble := membership.trouble(time.monotonic(), working=steps.working):
                raise _ended(settings.topic, f"the client is no member of group {settings.group}: {trouble}")
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await failures.look.wait()
            failures.look.clear()
        if not stop.is_set():
            raise failures.first or app.crash_reason or _ended(settings.topic, "the client stopped")
    except (ClientError, OSError) as error:
        refused = refusal(error, settings.group, settings.topic, settings.properties)
        raise KafkaException(refused) if refused else _ended(settings.topic, str(error)) from error
    finally:
        forget_stop()
        starting.cancel()
        ticking.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHUTDOWN_TIMEOUT_SECONDS):
                await asyncio.gather(starting, ticking, return_exceptions=True)
                await app.stop()


def _ended(topic: str, why: str) -> KafkaException:
    return KafkaException(KafkaError(KafkaError._TRANSPORT, f"{topic} cannot be followed any more: {why}"))


async def _keep_ticking(
    app: "faust.App", settings: FoldSettings, steps: Steps, failures: _Failures, turn: asyncio.Lock
) -> None:
    """Ticks while the member has a partition; of others it knows nothing."""
    while not failures.first:
        await asyncio.sleep(settings.tick_seconds)
        try:
            async with turn:
                if app.consumer.assignment():
                    await _send(app, await asyncio.to_thread(steps.tick))
        except Exception as error:
            # Not raised: nobody awaits this task before the end. `_run` ends the fold with it, as after a record.
            failures.add(error)


async def _send(app: "faust.App", outputs: Iterable[Output]) -> None:
    """Waits until Kafka has acknowledged them."""
    sent = [await app.producer.send(*output[:3], None, None, [*output.headers]) for output in outputs]
    await asyncio.gather(*sent)


def _follow(
    app: "faust.App",
    topic: str,
    steps: Steps,
    stop: threading.Event,
    failures: _Failures,
    turn: asyncio.Lock,
) -> None:
    """Registers the one agent, which hands records to `steps`, one at a time and none during a tick."""

    @app.agent(app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="raw", key_serializer="raw"))
    async def follow(stream: Any) -> None:
        stream = stream.noack()
        async for event in stream.events():
            message = event.message
            record = Record(
                message.topic,
                message.partition,
                message.offset,
                message.key,
                message.value,
                tuple(message.headers or ()),
                replayed=False,
            )
            if failures.first:
                return
            try:
                # In a thread: folds fetch and compute, and this member must send heartbeats to its group meanwhile.
                async with turn:
                    await _send(app, await asyncio.to_thread(steps.process, record, message.generation_id))
            except asyncio.CancelledError:
                failures.add(_ended(topic, "it was interrupted"))
                raise
            except Exception as error:
                # Not raised: Faust would start the agent again, with the next record.
                failures.add(error)
                return
            if stop.is_set():
                return
            await stream.ack(event)
