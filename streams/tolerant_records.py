"""Record batches for aiokafka whose headers may have any name.

Kafka takes any bytes as the name of a header. aiokafka decodes names strictly while it reads a batch, so that one such
record would stop its consumer at that offset for good.
"""

from typing import Any, SupportsIndex, overload

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


def tolerate_header_names() -> None:
    """Makes every consumer of aiokafka in this process read names that are not UTF-8, with escapes (`caf\\xe9`)."""
    fetcher.MemoryRecords = TolerantRecords


class _TolerantBytes(bytearray):
    """Slices can be decoded whatever they hold; aiokafka decodes nothing but the names of headers."""

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> "_TolerantBytes": ...
    def __getitem__(self, key: Any, /) -> Any:
        found = super().__getitem__(key)
        return _TolerantBytes(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final, but in name only
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        if not self._decompressed:
            super()._maybe_uncompress()
            self._buffer = _TolerantBytes(self._buffer)


class TolerantRecords(_MemoryRecordsPy):  # type: ignore[misc]  # final, but in name only
    """The batches of one answer to a fetch."""

    def next_batch(self) -> Any:
        data = self._next_slice
        batch = super().next_batch()
        # Older formats have no headers.
        return _TolerantBatch(data) if isinstance(batch, DefaultRecordBatch) else batch
