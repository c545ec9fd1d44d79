"""The rows of a running INSERT, through a pipe that the engine reads as a file.

The engine's own streaming insert reports success whatever becomes of the rows (a violated constraint, a view that
fails); an ordinary statement raises.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial

from interlock.sinks.embedded_clickhouse.engine import Handle, Result
from interlock.sinks.embedded_clickhouse.sql import insert_from


class InsertStream:
    """The pipe into one running INSERT. ``done`` ends with its Result or its ClickHouseError."""

    def __init__(self, threads: Executor, write_end: int, done: asyncio.Future[Result]) -> None:
        self._threads = threads
        self._write_end = write_end
        self.done = done

    async def write(self, block: bytes) -> None:
        """Returns when the engine has taken ``block``, or has failed, which ``done`` tells."""
        write = partial(_write_all, self._write_end, block)
        future = asyncio.get_running_loop().run_in_executor(self._threads, write)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})  # the descriptor may be closed only when nobody writes to it
            raise

    def close(self) -> None:
        """The engine sees the end of the rows and completes the INSERT, unless it was killed before."""
        os.close(self._write_end)


def open_insert(threads: Executor, work: Callable[[int], Result]) -> InsertStream:
    """Run ``work`` in a thread; it reads what is written to the stream from the descriptor that it is given."""
    read_end, write_end = os.pipe()

    def run() -> Result:
        try:
            return work(read_end)
        finally:
            os.close(read_end)  # a writer still waiting for room learns that nobody reads

    done = asyncio.get_running_loop().run_in_executor(threads, run)
    # Whoever kills the insert never asks for the outcome; an error in it is then nobody's.
    done.add_done_callback(lambda future: None if future.cancelled() else future.exception())
    return InsertStream(threads, write_end, done)


def insert_into(read_end: int, handle: Handle, statement: str, input_format: str, params: Mapping[str, str]) -> Result:
    """Run an INSERT with the rows that come out of the pipe."""
    return handle.query(insert_from(statement, f"/dev/fd/{read_end}", input_format), params=params)


def _write_all(write_end: int, block: bytes) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[os.write(write_end, rest) :]
    except BrokenPipeError:
        pass  # the INSERT has ended; `done` says how
