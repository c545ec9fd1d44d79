"""The rows of a running SELECT, as a stream.

The query writes through the engine's own ``INTO OUTFILE`` into a pipe. So every output format comes out as
one well-formed document in constant memory, and a slow reader slows the query down instead of filling memory.
(The engine's streaming API repeats the format's header per block and says nothing for an empty result.)
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from interlock.sinks.embedded_clickhouse.engine import Handle, Result
from interlock.sinks.embedded_clickhouse.errors import SYNTAX_ERROR, ClickHouseError
from interlock.sinks.embedded_clickhouse.sql import Statement

# Room in a pipe: as much as an unprivileged Linux process may ask for, and one buffer of the engine.
_PIPE_BYTES = 1 << 20
# Bytes per read from it.
_READ_BYTES = 1 << 18


class ResultStream:
    """The bytes of one running SELECT. ``done`` ends with its Result or its ClickHouseError."""

    def __init__(
        self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport, done: asyncio.Future[Result]
    ) -> None:
        self._reader = reader
        self._transport = transport
        self.done = done

    async def read(self) -> bytes:
        """Some bytes; none at the end of the result, when ``done`` is set or about to be."""
        return await self._reader.read(_READ_BYTES)

    async def read_until(self, size: int) -> tuple[bytes, bool]:
        """The first ``size`` bytes or a little more, and whether that was all."""
        parts: list[bytes] = []
        total = 0
        while total < size:
            part = await self.read()
            if not part:
                return b"".join(parts), True
            parts.append(part)
            total += len(part)
        return b"".join(parts), False

    def close(self) -> None:
        """Stop reading. The engine does not notice by itself: the query must be killed too."""
        self._transport.close()


async def open_stream(threads: Executor, work: Callable[[int], Result]) -> ResultStream:
    """Run ``work`` in a thread; what it writes to the descriptor it is given comes out of the stream."""
    loop = asyncio.get_running_loop()
    read_end, write_end = os.pipe()
    if sys.platform == "linux":
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    reader = asyncio.StreamReader(limit=_PIPE_BYTES)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
    )

    def run() -> Result:
        try:
            return work(write_end)
        finally:
            os.close(write_end)  # the reader sees the end only now, with the outcome known

    done = loop.run_in_executor(threads, run)
    # Whoever abandons the stream never asks for the outcome; an error in it is then nobody's.
    done.add_done_callback(lambda future: None if future.cancelled() else future.exception())
    return ResultStream(reader, transport, done)


def select_into(
    write_end: int, handle: Handle, statement: Statement, output_format: str, params: Mapping[str, str]
) -> Result:
    """Run a SELECT, its rows into the pipe."""
    outfile = f"INTO OUTFILE '/dev/fd/{write_end}' TRUNCATE FORMAT {output_format}"
    try:
        return handle.query(f"{statement.head} {outfile} {statement.tail}", output_format, params)
    except ClickHouseError as error:
        if error.code != SYNTAX_ERROR:
            raise
    # Either the user's mistake, and then the message must speak of the user's text; or a form of SELECT that
    # was cut in the wrong place, and then the engine takes it whole, the result through memory.
    result = handle.query(statement.text, output_format, params)
    with os.fdopen(os.dup(write_end), "wb") as pipe:
        pipe.write(result.data)
    return result
