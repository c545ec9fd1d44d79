"""Faust's consumer, which reads what is committed and rests where there is nothing to do.

Timers of Faust and aiokafka wake the two event loops of a fold sixty times a second. Here both wait for what ends their
rest: a record, an acknowledgement, a rebalance, the end.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

# How long the broker may hold back its answer while there is no record; the first one ends the wait at once. It answers
# nothing else on the connection meanwhile (heartbeats and commits have one of their own), not even for partitions that
# a rebalance has just brought. Where others may leave some, Faust's 1.5 s hold.
ALONE_FETCH_SECONDS = 10.0

# mode would make loggers named like this module for the classes here, which speaks for itself.
_LOGGER = logging.getLogger("faust.interlock")


class Monitor(faust.Monitor):
    @faust.Service.task
    async def _sampler(self) -> None:
        """Nobody asks for its averages."""


class AwaitedNodes(set[Any]):
    """The brokers that aiokafka's fetching loop has asked. A broker is taken out when its answer has been dealt with; a
    loop that runs just before does not ask it again, and would not run once more by itself."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__()
        self._tell = tell

    def discard(self, node: Any) -> None:
        super().discard(node)
        self._tell()


def _all_partitions(consumer: Any, partitions: set[TP]) -> set[TP]:
    """Those of the same topics."""
    topics = {each.topic for each in partitions}
    return {TP(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()}


class ConsumerThread(driver.AIOKafkaConsumerThread):
    logger = _LOGGER
    _fetching: asyncio.Task[Any] | None = None

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        # How often its fetching loop looks around when nothing has happened. aiokafka's 0.2 s, the dearest timer of a
        # fold at rest, make up for what `AwaitedNodes` tells it here.
        consumer._consumer_timeout = ALONE_FETCH_SECONDS
        return consumer

    async def on_start(self) -> None:
        await super().on_start()
        consumer: Any = self._consumer
        fetcher = consumer._fetcher
        fetcher._in_flight = AwaitedNodes(lambda: fetcher._notify(fetcher._wait_consume_future))

    async def _fetch_records(
        self, consumer: Any, active_partitions: set[TP], timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        # Not earlier after a rebalance: until now Faust may have moved to another place.
        if self.consumer.flow_active and active_partitions == _all_partitions(consumer, active_partitions):
            consumer._fetcher._fetch_max_wait_ms = round(ALONE_FETCH_SECONDS * 1000)
        fetching = super()._fetch_records(consumer, active_partitions, timeout, max_records)
        self._fetching = asyncio.create_task(fetching)
        try:
            return await self._fetching
        except asyncio.CancelledError:
            if (this := asyncio.current_task()) is not None and this.cancelling():
                raise
            return {}

    def interrupt(self) -> None:
        """Ends the wait for records, called from another thread. What has come by then is not lost."""
        with suppress(RuntimeError):  # its loop has ended
            self.thread_loop.call_soon_threadsafe(self._interrupt)

    def _interrupt(self) -> None:
        consumer: Any = self._consumer
        consumer._fetcher._fetch_max_wait_ms = consumer._fetch_max_wait_ms
        if self._fetching is not None:
            self._fetching.cancel()

    async def _keepalive2(self) -> None:
        """Wakes the loop of the app, to no effect."""

    @faust.Service.task
    async def _thread_keepalive(self) -> None:
        """Wakes the loop of this thread, where those do it that call into it."""


class _Consumer(driver.Consumer):
    logger = _LOGGER
    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._acknowledged = asyncio.Event()

    def ack(self, message: Any) -> bool:
        done = super().ack(message)
        self._acknowledged.set()
        return done

    @faust.Service.task
    async def _commit_handler(self) -> None:
        """Commits as soon as there is something to commit, and then not before the interval has passed."""
        while not self.should_stop:
            await self.wait(self._acknowledged.wait())
            self._acknowledged.clear()
            await self.commit()
            if any(self._acked.values()):  # somebody else was committing, and perhaps less
                self._acknowledged.set()
            await self.sleep(self.commit_interval)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Commits, which Faust forgets: the next member would process the last records again."""
        await self.commit()
        await super().on_partitions_revoked(revoked)

    @faust.Service.task
    async def _commit_livelock_detector(self) -> None:
        """It would log what `interlock.services.liveness` acts on."""

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:
        # It hears nothing of a partition that is taken up again: then Faust's own second holds.
        steady = not (self._buffered_partitions or self._paused_partitions)
        return await super()._getmany(active_partitions, ALONE_FETCH_SECONDS if steady else timeout)

    def stop_flow(self) -> None:
        """Also ends a wait that was begun: it would go on through the rebalance, with the partitions of before."""
        super().stop_flow()
        self._thread.interrupt()

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: Any) -> int | None:
        """The offset after the last acknowledged record."""
        acked = self._acked[tp]
        if not acked:
            return None
        last = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return last + 1

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Gaps need no book-keeping then."""


class Transport(driver.Transport):
    Consumer = _Consumer
