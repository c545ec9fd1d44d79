"""HTTP content encodings of the ClickHouse interface, both ways, in pieces."""

from __future__ import annotations

import sys
import zlib
from collections import deque
from collections.abc import Callable
from typing import Protocol

import lz4.frame  # type: ignore[import-untyped]

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from interlock.sinks.embedded_clickhouse.errors import INCORRECT_DATA, NOT_IMPLEMENTED, refusal

# The order in which a server with several accepted encodings chooses: cheapest first, for a local connection.
ENCODINGS = ("lz4", "zstd", "gzip", "deflate")

# Speed over size: the other end is on the same machine.
_ZSTD_LEVEL = 1
_ZLIB_LEVEL = 1

# What a frame is given at a time: it hands back a copy of what follows it, which costs little at this size however
# many tiny frames follow each other.
_SLICE_BYTES = 16 << 10
# The most memory that a frame of zstd may ask for, as a power of two: 8 MiB, which every decoder shall support
# (RFC 8878) and no level below 20 exceeds.
_ZSTD_WINDOW_LOG = 23


class Encoder(Protocol):
    def encode(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Decoder(Protocol):
    """Decompresses no more than it is asked for, because a few bytes may stand for gigabytes."""

    @property
    def pending(self) -> bool:
        """Whether more can come out without further data."""
        ...

    def decode(self, data: bytes, limit: int) -> bytes:
        """At most ``limit`` bytes of what ``data`` and the data before it hold; the rest stays for the next call."""
        ...

    def finish(self) -> None:
        """Raises when the data ended in the middle of a frame."""
        ...


class EncoderChain:
    """Encoders one after the other."""

    def __init__(self, *encoders: Encoder) -> None:
        self._encoders = encoders

    def encode(self, data: bytes) -> bytes:
        for one in self._encoders:
            data = one.encode(data)
        return data

    def finish(self) -> bytes:
        rest = b""
        for one in self._encoders:
            rest = (one.encode(rest) if rest else b"") + one.finish()
        return rest

    def break_off(self, message: bytes) -> bytes:
        """The end of an answer that stays incomplete: the message only goes through the last encoder."""
        return self._encoders[-1].encode(message) + self._encoders[-1].finish()


class DecoderChain:
    """What the first decoder gives, the second one takes."""

    def __init__(self, outer: Decoder, inner: Decoder) -> None:
        self._outer = outer
        self._inner = inner

    @property
    def pending(self) -> bool:
        return self._inner.pending or self._outer.pending

    def decode(self, data: bytes, limit: int) -> bytes:
        if self._inner.pending:
            return self._inner.decode(b"", limit)
        return self._inner.decode(self._outer.decode(data, limit), limit)

    def finish(self) -> None:
        self._outer.finish()
        self._inner.finish()


class _Plain:
    def encode(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _PlainDecoder:
    def __init__(self) -> None:
        self._rest = b""

    @property
    def pending(self) -> bool:
        return bool(self._rest)

    def decode(self, data: bytes, limit: int) -> bytes:
        whole = self._rest + data
        self._rest = whole[limit:]
        return whole[:limit]

    def finish(self) -> None:
        pass


class _Lz4Encoder:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor(auto_flush=True)
        self._begun = False

    def encode(self, data: bytes) -> bytes:
        begin = b"" if self._begun else self._frame.begin()
        self._begun = True
        return bytes(begin + self._frame.compress(data))

    def finish(self) -> bytes:
        begin = b"" if self._begun else self._frame.begin()
        return bytes(begin + self._frame.flush())


class _ZstdEncoder:
    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor(level=_ZSTD_LEVEL)

    def encode(self, data: bytes) -> bytes:
        return self._stream.compress(data, zstd.ZstdCompressor.FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._stream.flush()


class _ZlibEncoder:
    def __init__(self, window: int) -> None:
        self._stream = zlib.compressobj(_ZLIB_LEVEL, wbits=window)

    def encode(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush()


class _Frame(Protocol):
    """What the decompressors of lz4 and zstd have in common. They keep the data that their output had no room for."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /, max_length: int) -> bytes: ...


class _ZlibFrame:
    """A decompressor of zlib with the interface of the others."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        out = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = len(out) < max_length
        return out


class _FrameDecoder:
    """Several frames may follow each other: clients send one per block."""

    def __init__(self, new_frame: Callable[[], _Frame]) -> None:
        self._new_frame = new_frame
        self._frame: _Frame | None = None
        self._waiting: deque[bytes] = deque()

    @property
    def pending(self) -> bool:
        return bool(self._waiting) or (self._frame is not None and not self._frame.needs_input)

    def decode(self, data: bytes, limit: int) -> bytes:
        self._waiting.extend(data[at : at + _SLICE_BYTES] for at in range(0, len(data), _SLICE_BYTES))
        out = bytearray()
        try:
            while len(out) < limit and self.pending:
                frame = self._frame = self._frame or self._new_frame()
                taken = self._waiting.popleft() if frame.needs_input else b""
                out += frame.decompress(taken, max_length=limit - len(out))
                if frame.eof:
                    self._frame = None
                    if frame.unused_data:
                        self._waiting.appendleft(frame.unused_data)
        except (RuntimeError, zlib.error, zstd.ZstdError) as error:
            raise refusal(INCORRECT_DATA, f"Cannot decompress the request body: {error}") from error
        return bytes(out)

    def finish(self) -> None:
        if self._frame is not None:
            raise refusal(INCORRECT_DATA, "The compressed request body ends in the middle of a frame")


_GZIP_WINDOW = 31  # zlib's number for "gzip header and checksum"
_ZLIB_WINDOW = 15


def choose_encoding(accepted: str) -> str:
    """The encoding for a response to a client that sent ``Accept-Encoding: accepted``; "" for none."""
    wanted = {part.split(";")[0].strip().lower() for part in accepted.split(",")}
    return next((name for name in ENCODINGS if name in wanted), "")


def encoder(name: str) -> Encoder:
    match name:
        case "lz4":
            return _Lz4Encoder()
        case "zstd":
            return _ZstdEncoder()
        case "gzip":
            return _ZlibEncoder(_GZIP_WINDOW)
        case "deflate":
            return _ZlibEncoder(_ZLIB_WINDOW)
        case _:
            return _Plain()


def decoder(name: str) -> Decoder:
    """Raises for an encoding this server does not know; "" and "identity" pass data through."""
    match name.strip().lower():
        case "" | "identity":
            return _PlainDecoder()
        case "lz4":
            return _FrameDecoder(lz4.frame.LZ4FrameDecompressor)
        case "zstd":
            return _FrameDecoder(
                lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})
            )
        case "gzip":
            return _FrameDecoder(lambda: _ZlibFrame(_GZIP_WINDOW))
        case "deflate":
            return _FrameDecoder(lambda: _ZlibFrame(_ZLIB_WINDOW))
        case unknown:
            raise refusal(NOT_IMPLEMENTED, f"Unknown HTTP content encoding: {unknown}; known: {ENCODINGS}")
