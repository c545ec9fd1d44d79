"""Batches for aiokafka whose headers have any name."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from interlock.streams.tolerant_records import TolerantRecords

NO_COMPRESSION, ZSTD = 0, 4


def batch(compression: int, *headers: list[tuple[str, bytes]]) -> DefaultRecordBatchBuilder:
    made = DefaultRecordBatchBuilder(2, compression, 1, -1, -1, -1, 1_000_000)
    for offset, listed in enumerate(headers):
        made.append(offset, timestamp=1, key=b"k", value=b"v%d" % offset, headers=listed)
    return made


def read(data: bytes) -> list[tuple[int, bytes, list[tuple[str, bytes]]]]:
    records = TolerantRecords(data)
    found = []
    while records.has_next():
        found += [(record.offset, record.value, record.headers) for record in records.next_batch()]
    return found


def test_a_name_that_is_not_utf8_is_read_with_escapes_and_the_records_around_it_too() -> None:
    made = batch(NO_COMPRESSION, [("a", b"1")], [("ok", b"2"), ("cafX", b"\xff"), ("z", b"3")], [])
    data = bytes(made.build()).replace(b"cafX", b"caf\xe9")
    assert read(data) == [
        (0, b"v0", [("a", b"1")]),
        (1, b"v1", [("ok", b"2"), ("caf\\xe9", b"\xff"), ("z", b"3")]),
        (2, b"v2", []),
    ]


@pytest.mark.parametrize("compression", [NO_COMPRESSION, ZSTD])
def test_everything_else_is_read_as_aiokafka_reads_it(compression: int) -> None:
    data = bytes(batch(compression, [("größe", b"1")], []).build())
    assert read(data + data) == 2 * [(0, b"v0", [("größe", b"1")]), (1, b"v1", [])]
