"""A request's body: decompressed, read no further than needed, in pieces of a sensible size."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

from interlock.sinks.embedded_clickhouse.compression import Decoder
from interlock.sinks.embedded_clickhouse.errors import QUERY_TOO_LARGE, refusal

# Bytes per piece, raw and decompressed: enough that a hop to an engine thread costs nothing, little enough to hold
# a few.
_PIECE_BYTES = 1 << 20

CallInThread = Callable[[Callable[[], bytes]], Awaitable[bytes]]


class Body:
    """``chunks`` are the raw bytes as they arrive; decoding runs in a thread through ``call``."""

    def __init__(self, chunks: AsyncIterator[bytes], decoder: Decoder, call: CallInThread) -> None:
        self._chunks = chunks
        self._decoder = decoder
        self._call = call
        self._kept = b""
        self._received = False  # all raw bytes
        self._ended = False

    async def head(self, size: int) -> bytes:
        """The first ``size`` bytes or up to one piece more (all, when there are fewer); they stay in the body."""
        while len(self._kept) < size and not self._ended:
            self._kept += await self._next_piece()
        return self._kept

    async def all(self, limit: int) -> bytes:
        """The whole body, which is empty then; raises when it is larger than ``limit`` bytes."""
        body = await self.head(limit + 1)
        if len(body) > limit:
            raise refusal(QUERY_TOO_LARGE, f"The query is longer than {limit} bytes")
        self._kept = b""
        return body

    async def pieces(self, skip: int = 0) -> AsyncIterator[bytes]:
        """The rest of the body behind ``skip`` bytes of its head."""
        kept, self._kept = self._kept[skip:], b""
        if kept:
            yield kept
        while not self._ended:
            piece = await self._next_piece()
            if piece:
                yield piece

    async def _next_piece(self) -> bytes:
        """At most ``_PIECE_BYTES``, whatever the raw bytes stand for."""
        raw = b"" if self._decoder.pending else await self._raw_piece()
        decoded = await self._call(partial(self._decoder.decode, raw, _PIECE_BYTES))
        if self._received and not self._decoder.pending:
            self._decoder.finish()
            self._ended = True
        return decoded

    async def _raw_piece(self) -> bytes:
        raw = bytearray()
        while len(raw) < _PIECE_BYTES:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                self._received = True
                break
            raw += chunk
        return bytes(raw)
