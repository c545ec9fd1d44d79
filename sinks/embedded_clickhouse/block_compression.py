"""ClickHouse's own compression (``compress=1``, ``decompress=1``): blocks of a checksum, a header and their bytes.

CityHash128 of all that follows (16 bytes) | method (1) | compressed size, with these 9 bytes (4) | size (4) | bytes
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable

import lz4.block  # type: ignore[import-untyped]
from clickhouse_cityhash.cityhash import CityHash128

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from interlock.sinks.embedded_clickhouse.errors import (
    CANNOT_DECOMPRESS,
    CHECKSUM_DOESNT_MATCH,
    TOO_LARGE_SIZE_COMPRESSED,
    UNKNOWN_COMPRESSION_METHOD,
    refusal,
)

_CHECKSUM = struct.Struct("<QQ")
_HEADER = struct.Struct("<BII")
_NONE, _LZ4, _ZSTD = 0x02, 0x82, 0x90
_LOW_HALF = (1 << 64) - 1

# As much as ClickHouse compresses at a time.
_BLOCK_BYTES = 1 << 20
# A block of an insert is held whole, compressed and not: no more than a block of rows may have (engine_config).
_LARGEST_BLOCK = 64 << 20
# Speed over size, as in compression.py.
_ZSTD_LEVEL = 1

_METHODS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "LZ4": (_LZ4, lambda data: bytes(lz4.block.compress(data, store_size=False))),
    "ZSTD": (_ZSTD, lambda data: zstd.compress(data, _ZSTD_LEVEL)),
    "NONE": (_NONE, bytes),
}


class BlockEncoder:
    """Compresses by the method that the setting ``network_compression_method`` names."""

    def __init__(self, method: str) -> None:
        known = _METHODS.get(method.upper())
        if known is None:
            raise refusal(
                UNKNOWN_COMPRESSION_METHOD,
                f"Unknown network_compression_method {method!r}; the embedded server knows {', '.join(_METHODS)}",
            )
        self._method, self._compress = known

    def encode(self, data: bytes) -> bytes:
        return b"".join(self._block(data[at : at + _BLOCK_BYTES]) for at in range(0, len(data), _BLOCK_BYTES))

    def finish(self) -> bytes:
        return b""

    def _block(self, data: bytes) -> bytes:
        compressed = self._compress(data)
        block = _HEADER.pack(self._method, _HEADER.size + len(compressed), len(data)) + compressed
        return _checksum(block) + block


class BlockDecoder:
    """Reads blocks, one at a time: ``decode`` gives at most ``limit`` bytes, the rest of a block stays for later."""

    def __init__(self) -> None:
        self._raw = bytearray()
        self._out = b""
        self._given = 0

    @property
    def pending(self) -> bool:
        return self._given < len(self._out) or self._whole_block() is not None

    def decode(self, data: bytes, limit: int) -> bytes:
        self._raw += data
        parts = bytearray()
        while len(parts) < limit:
            if self._given == len(self._out):
                end = self._whole_block()
                if end is None:
                    break
                self._out, self._given = _opened(bytes(self._raw[:end])), 0
                del self._raw[:end]
            piece = self._out[self._given : self._given + limit - len(parts)]
            self._given += len(piece)
            parts += piece
        return bytes(parts)

    def finish(self) -> None:
        if self._raw:
            raise refusal(CANNOT_DECOMPRESS, "The compressed request body ends in the middle of a block")

    def _whole_block(self) -> int | None:
        """Where the first block ends; None while it is not all there."""
        if len(self._raw) < _CHECKSUM.size + _HEADER.size:
            return None
        method, compressed, size = _HEADER.unpack_from(self._raw, _CHECKSUM.size)
        if method not in {_NONE, _LZ4, _ZSTD}:
            raise refusal(UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method of a block: 0x{method:02x}")
        if max(size, compressed) > _LARGEST_BLOCK or compressed < _HEADER.size:
            raise refusal(
                TOO_LARGE_SIZE_COMPRESSED,
                f"A compressed block of {size} bytes, {compressed} compressed; at most {_LARGEST_BLOCK}",
            )
        end = _CHECKSUM.size + int(compressed)
        return end if len(self._raw) >= end else None


def _opened(block: bytes) -> bytes:
    checked = block[_CHECKSUM.size :]
    if _checksum(checked) != block[: _CHECKSUM.size]:
        raise refusal(CHECKSUM_DOESNT_MATCH, "Checksum doesn't match: corrupted data in a compressed block")
    method, _, size = _HEADER.unpack_from(checked)
    data = checked[_HEADER.size :]
    try:
        match method:
            case _ if method == _LZ4:
                opened = bytes(lz4.block.decompress(data, uncompressed_size=size))
            case _ if method == _ZSTD:
                opened = zstd.ZstdDecompressor().decompress(data, max_length=size)
            case _:
                opened = data
    except (RuntimeError, ValueError, zstd.ZstdError) as error:
        raise refusal(CANNOT_DECOMPRESS, f"Cannot decompress a block: {error}") from error
    if len(opened) != size:
        raise refusal(CANNOT_DECOMPRESS, f"A compressed block holds {len(opened)} bytes and not {size}")
    return opened


def _checksum(data: bytes) -> bytes:
    value = CityHash128(data)
    return _CHECKSUM.pack(value >> 64, value & _LOW_HALF)
