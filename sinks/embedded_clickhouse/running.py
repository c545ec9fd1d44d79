"""Statements on their way: engine threads on one side, the event loop on the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from interlock.sinks.embedded_clickhouse.access import check_read_only, check_settings, only_reads, unknown_table
from interlock.sinks.embedded_clickhouse.engine import Engine, Handle, Result, quoted
from interlock.sinks.embedded_clickhouse.engine_config import ANALYST_RUNNING
from interlock.sinks.embedded_clickhouse.errors import (
    ACCESS_DENIED,
    READONLY,
    SAME_QUERY_ID,
    TOO_MANY_QUERIES,
    ClickHouseError,
    refusal,
)
from interlock.sinks.embedded_clickhouse.insert_stream import insert_into, open_insert
from interlock.sinks.embedded_clickhouse.request import QueryParameters
from interlock.sinks.embedded_clickhouse.result_stream import ResultStream, open_stream, select_into
from interlock.sinks.embedded_clickhouse.sessions import Sessions
from interlock.sinks.embedded_clickhouse.settings import Account
from interlock.sinks.embedded_clickhouse.sql import Kill, Statement, table_names, tokens

T = TypeVar("T")

_READS_FILE = "READ ON FILE"

# Queries that a user may have; more would only make all of them slower. Per user, so that analysts cannot keep
# the pipeline from writing.
MAX_RUNNING = 16
# How long a query of the analyst waits for its turn: longer than the one before it may take, shorter than clients wait.
_TURN_SECONDS = 70.0
# A query told to stop is told again, because the first time it may not have been registered yet.
_KILL_EVERY_SECONDS = 0.2
# An insert has two threads: one runs it, one feeds it.
_THREADS_PER_QUERY = 2
# Threads beyond those, for stopping queries.
_SPARE_THREADS = 4


@dataclass(frozen=True)
class Job:
    """One request that has been let in. A GET request may not write, whoever sends it."""

    account: Account
    query_id: str
    text: str
    parameters: QueryParameters
    get_request: bool


@dataclass
class _Running:
    job: Job
    stream: ResultStream | None = None


class Runner:
    """Runs statements in threads, at most ``MAX_RUNNING`` of a user at a time; further ones of the analyst wait."""

    def __init__(self, engine: Engine, accounts: Iterable[Account]) -> None:
        self._engine = engine
        self._sessions = Sessions(engine)
        self._free = {account.name: MAX_RUNNING for account in accounts}
        threads = sum(self._free.values()) * _THREADS_PER_QUERY + _SPARE_THREADS
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="clickhouse")
        self._turns = {
            account.name: asyncio.Semaphore(ANALYST_RUNNING if account.read_only else MAX_RUNNING)
            for account in accounts
        }
        self._running: dict[str, _Running] = {}  # by query id
        self._stopping: set[asyncio.Task[None]] = set()

    async def call(self, work: Callable[[], T]) -> T:
        """Run ``work`` in an engine thread. A cancelled caller still waits for it: handles have one user."""
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise

    async def select(self, job: Job, statement: Statement, output_format: str) -> ResultStream:
        """Start a SELECT; its rows come out of the returned stream while it runs."""
        await self._admit(job)

        def work(write_end: int) -> Result:
            with self._handle(job) as handle:
                return select_into(write_end, handle, statement, output_format, job.parameters.params)

        try:
            stream = await open_stream(self._threads, work)
        except BaseException:
            self._release(job)
            raise
        self._running[job.query_id].stream = stream
        stream.done.add_done_callback(lambda _: self._release(job))
        return stream

    async def command(self, job: Job, output_format: str) -> Result:
        """Run any other statement; its result is small (SHOW, DESCRIBE) or none."""

        def work() -> Result:
            with self._handle(job) as handle:
                return handle.query(job.text, output_format, job.parameters.params)

        await self._admit(job)
        try:
            return await self.call(work)
        finally:
            self._release(job)

    async def insert(self, job: Job, input_format: str, blocks: AsyncIterator[bytes]) -> Result:
        """Feed ``blocks`` to the INSERT in ``job.text``. Fails as a whole when they do not all arrive."""
        if job.account.read_only:
            raise refusal(READONLY, "Cannot execute INSERT query in readonly mode")
        await self._admit(job)

        def work(read_end: int) -> Result:
            with self._handle(job) as handle:
                return insert_into(read_end, handle, job.text, input_format, job.parameters.params)

        stream = open_insert(self._threads, work)
        stream.done.add_done_callback(lambda _: self._release(job))
        try:
            async for block in blocks:
                await stream.write(block)
                if stream.done.done():
                    break
        except BaseException:
            # The end of the pipe would look like the end of the rows: the engine must know before that.
            await self._kill(job.query_id, stream.done)
            raise
        finally:
            stream.close()
        return await asyncio.shield(stream.done)

    async def kill(self, job: Job, kill: Kill, output_format: str) -> Result:
        """Stop a query as KILL QUERY does: the analyst only one of the analyst's. It needs no turn of its own.

        Nothing is stopped, and the answer has no row, where no such query runs.
        """
        found = self._running.get(kill.query_id)
        if found is not None and job.account.read_only and found.job.account != job.account:
            raise refusal(
                ACCESS_DENIED, f"User {job.account.name} attempts to kill query created by {found.job.account.name}"
            )
        status = "waiting"
        if found is not None and kill.mode != "TEST":
            task = asyncio.get_running_loop().create_task(self._kill_while_running(kill.query_id, found))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
            if kill.mode == "SYNC":
                await asyncio.shield(task)
                status = "finished"
        rows = {"kill_status": status, "query_id": kill.query_id}
        if found is not None:
            rows |= {"user": found.job.account.name, "query": found.job.text}
        names = ("kill_status", "query_id", "user", "query")
        columns = ", ".join(f"{quoted(rows.get(name, ''))} AS {name}" for name in names)

        def answer() -> Result:
            handle = self._engine.open(job.account)
            try:
                return handle.query(f"SELECT {columns} LIMIT {len(rows) // len(names)}", output_format)
            finally:
                handle.close()

        return await self.call(answer)

    def abandon(self, job: Job, stream: ResultStream) -> None:
        """Stop a query whose reader has gone."""
        stream.close()
        if not stream.done.done():
            task = asyncio.get_running_loop().create_task(self._kill_until_done(job.query_id, stream.done))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    async def stop_all(self) -> None:
        """Stop everything that runs; returns when nothing does. Inserts still waiting for data are not
        stopped by this: their requests must be cancelled."""
        while self._running:
            for query_id, running in list(self._running.items()):
                if running.stream is not None:
                    running.stream.close()  # a query cannot be stopped while it waits for room in its pipe
                await self.call(partial(self._engine.kill, query_id))
            await asyncio.sleep(_KILL_EVERY_SECONDS)

    async def close(self, within: float) -> bool:
        """Stop everything; True when all threads are idle within so many seconds."""
        try:
            await asyncio.wait_for(self.stop_all(), within)
        except TimeoutError:
            return False
        if self._stopping:
            await asyncio.wait(self._stopping)
        self._threads.shutdown()
        self._sessions.close()
        return True

    @contextmanager
    def _handle(self, job: Job) -> Iterator[Handle]:
        wanted = job.parameters
        if job.account.read_only:
            check_settings(wanted.settings, self._engine.forbidden)
        with self._opened(job) as (handle, kept):
            uses = next((token.value for token in tokens(job.text)), "") == "USE"
            restore = handle.state(wanted.settings, database=not uses) if kept else None
            if job.get_request and kept:
                only_reads(job.text)
            elif job.get_request and not job.account.read_only:
                handle.set({"readonly": "2"})  # forbids writing, but no settings
            try:
                handle.prepare(job.query_id, wanted.database, wanted.settings)
                if job.account.read_only:
                    check_read_only(job.text, wanted.params, handle.canonical, self._engine.forbidden)
                yield handle
            except ClickHouseError as error:
                # The embedded build takes an unknown table for a file, which the analyst may not read.
                if job.account.read_only and error.code == ACCESS_DENIED and _READS_FILE in error.text:
                    raise unknown_table(table_names(job.text), handle.has_table) from error
                raise
            finally:
                if restore is not None:
                    restore()

    @contextmanager
    def _opened(self, job: Job) -> Iterator[tuple[Handle, bool]]:
        """A handle, and whether its session keeps it."""
        if job.parameters.session is not None:
            with self._sessions.handle(job.account, job.parameters.session, job.text) as opened:
                yield opened
            return
        handle = self._engine.open(job.account)
        try:
            yield handle, False
        finally:
            handle.close()

    async def _admit(self, job: Job) -> None:
        """Returns when it is the job's turn; whoever called must release it."""
        name = job.account.name
        if job.query_id in self._running:
            raise refusal(SAME_QUERY_ID, f"Query with id = {job.query_id} is already running")
        if self._free[name] == 0:
            raise refusal(
                TOO_MANY_QUERIES,
                f"Too many simultaneous queries: user {name} already has {MAX_RUNNING}; wait for one to end",
            )
        self._free[name] -= 1
        self._running[job.query_id] = _Running(job)
        try:
            await asyncio.wait_for(self._turns[name].acquire(), _TURN_SECONDS)
        except BaseException as error:
            del self._running[job.query_id]
            self._free[name] += 1
            if isinstance(error, TimeoutError):
                raise refusal(
                    TOO_MANY_QUERIES,
                    f"Too many simultaneous queries: those of user {name} that run at a time "
                    f"have not ended within {_TURN_SECONDS:g} s",
                ) from None
            raise

    def _release(self, job: Job) -> None:
        del self._running[job.query_id]
        self._free[job.account.name] += 1
        self._turns[job.account.name].release()

    async def _kill(self, query_id: str, done: asyncio.Future[Result]) -> None:
        """Returns when the query is told to stop, or over."""
        while not done.done() and not await self.call(partial(self._engine.kill, query_id)):
            await asyncio.wait({done}, timeout=_KILL_EVERY_SECONDS)

    async def _kill_while_running(self, query_id: str, found: _Running) -> None:
        while self._running.get(query_id) is found:
            await self.call(partial(self._engine.kill, query_id))
            await asyncio.sleep(_KILL_EVERY_SECONDS)

    async def _kill_until_done(self, query_id: str, done: asyncio.Future[Result]) -> None:
        while not done.done():
            await self.call(partial(self._engine.kill, query_id))
            await asyncio.wait({done}, timeout=_KILL_EVERY_SECONDS)
