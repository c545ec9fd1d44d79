"""HTTP content encodings of the ClickHouse interface, both ways, in pieces."""

from __future__ import annotations

import sys
import zlib
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


class Encoder(Protocol):
    def encode(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Decoder(Protocol):
    """``finish`` raises when the data ended in the middle of a frame."""

    def decode(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class _Plain:
    def encode(self, data: bytes) -> bytes:
        return data

    def decode(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


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
    """What the decompressors of lz4, zstd and zlib have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _FrameDecoder:
    """Several frames may follow each other: clients send one per block."""

    def __init__(self, new_frame: Callable[[], _Frame]) -> None:
        self._new_frame = new_frame
        self._frame: _Frame | None = None

    def decode(self, data: bytes) -> bytes:
        out = bytearray()
        try:
            while data:
                self._frame = self._frame or self._new_frame()
                out += self._frame.decompress(data)
                data = b""
                if self._frame.eof:
                    data, self._frame = self._frame.unused_data or b"", None
        except (RuntimeError, zlib.error, zstd.ZstdError) as error:
            raise refusal(INCORRECT_DATA, f"Cannot decompress the request body: {error}") from error
        return bytes(out)

    def finish(self) -> bytes:
        if self._frame is not None:
            raise refusal(INCORRECT_DATA, "The compressed request body ends in the middle of a frame")
        return b""


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
            return _Plain()
        case "lz4":
            return _FrameDecoder(lz4.frame.LZ4FrameDecompressor)
        case "zstd":
            return _FrameDecoder(zstd.ZstdDecompressor)
        case "gzip":
            return _FrameDecoder(lambda: zlib.decompressobj(_GZIP_WINDOW))
        case "deflate":
            return _FrameDecoder(lambda: zlib.decompressobj(_ZLIB_WINDOW))
        case unknown:
            raise refusal(NOT_IMPLEMENTED, f"Unknown HTTP content encoding: {unknown}; known: {ENCODINGS}")
