"""The pure parts of the embedded server: finding data and formats in SQL, encodings, error texts, settings."""

from __future__ import annotations

import asyncio
import gzip
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.sinks.embedded_clickhouse.access import Forbidden, check_read_only
from interlock.sinks.embedded_clickhouse.body import Body
from interlock.sinks.embedded_clickhouse.compression import ENCODINGS, Decoder, choose_encoding, decoder, encoder
from interlock.sinks.embedded_clickhouse.errors import ClickHouseError, from_engine
from interlock.sinks.embedded_clickhouse.request import form_fields, parameters
from interlock.sinks.embedded_clickhouse.settings import ServerSettings
from interlock.sinks.embedded_clickhouse.sql import insert_from, insert_with_data, parse

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# --- where the data of an INSERT begin --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "statement", "input_format", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2", b"INSERT INTO t ", "CSV", b"1,2"),
        (b"INSERT INTO t FORMAT CSV \r\n\n1", b"INSERT INTO t ", "CSV", b"\n1"),
        (b"insert into t(a) format JSONEachRow {}", b"insert into t(a) ", "JSONEachRow", b"{}"),
        (b"INSERT INTO t VALUES (1)", b"INSERT INTO t ", "Values", b" (1)"),
        (b"INSERT INTO t (format, values) VALUES (1)", b"INSERT INTO t (format, values) ", "Values", b" (1)"),
        (b"INSERT INTO values FORMAT TSV\n", b"INSERT INTO values ", "TSV", b""),
        (b"INSERT INTO d.format FORMAT TSV\n1", b"INSERT INTO d.format ", "TSV", b"1"),
        (b"/* FORMAT A */ INSERT INTO `FORMAT B` FORMAT C\nx", b"/* FORMAT A */ INSERT INTO `FORMAT B` ", "C", b"x"),
        (b"INSERT INTO t SETTINGS a='FORMAT' FORMAT C\n\xff'", b"INSERT INTO t SETTINGS a='FORMAT' ", "C", b"\xff'"),
        (b"INSERT INTO t", b"INSERT INTO t", None, b""),
    ],
)  # fmt: skip
def test_the_data_of_an_insert_are_found(head: bytes, statement: bytes, input_format: str | None, data: bytes) -> None:
    found = insert_with_data(head)
    assert found is not None
    assert (found.statement, found.format, head[found.data_offset :]) == (statement, input_format, data)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "",
        "INSERT INTO t SELECT 1 FORMAT CSV",
        "INSERT INTO t (a) (SELECT 1)",
        "INSERT INTO t WITH 1 AS x SELECT x",
        "INSERT INTO t FROM INFILE 'x' FORMAT CSV",
    ],
)
def test_statements_without_data_are_not_taken_for_inserts_with_data(text: str) -> None:
    assert insert_with_data(text.encode()) is None


def test_the_source_of_rows_stands_before_the_settings_and_after_any_comment() -> None:
    assert insert_from("INSERT INTO t (a) -- why", "f", "CSV").split("\n") == [
        "INSERT INTO t (a) -- why",
        "FROM INFILE 'f' COMPRESSION 'none' ",
        "FORMAT CSV",
    ]
    assert insert_from("INSERT INTO settings SETTINGS a = 1", "f", "CSV").split("\n") == [
        "INSERT INTO settings ",
        "FROM INFILE 'f' COMPRESSION 'none' SETTINGS a = 1",
        "FORMAT CSV",
    ]


@given(st.binary(max_size=200), st.sampled_from(["CSV", "Native", "ArrowStream"]))
def test_no_data_behind_an_insert_can_move_its_beginning(data: bytes, name: str) -> None:
    head = f"INSERT INTO t FORMAT {name}\n".encode()
    found = insert_with_data(head + data)
    assert found is not None
    assert (found.format, found.data_offset) == (name, len(head))


# --- where a result's format stands -----------------------------------------------------------------------

QUIET = st.sampled_from(
    ["1", "'FORMAT CSV'", "`format`", "t.format", '"INTO OUTFILE"', "/* FORMAT X */ 2", "f(x, 'a''b')", "$$;$$"]
)


@given(st.lists(QUIET, min_size=1, max_size=5), st.sampled_from(["", ";", "\n-- FORMAT X\n", " ; ;"]))
def test_only_the_clause_at_the_end_names_the_format(columns: list[str], end: str) -> None:
    select = "SELECT " + ", ".join(columns)
    without, with_format = parse(select + end), parse(f"{select} FORMAT JSON SETTINGS a = 1{end}")
    assert without is not None
    assert with_format is not None
    assert (without.format, without.tail) == (None, "")
    assert (with_format.format, with_format.tail) == ("JSON", " SETTINGS a = 1")
    assert with_format.head.rstrip() == without.head.rstrip() == select


@pytest.mark.parametrize(
    ("text", "is_select"),
    [
        ("SELECT 1", True),
        ("((SELECT 1))", True),
        ("with x as (select 1) select * from x", True),
        ("FROM t SELECT 1", True),
        ("WITH 1 AS x INSERT INTO t SELECT x", False),
        ("SHOW TABLES", False),
        ("CREATE TABLE t AS SELECT 1", False),
        ("EXPLAIN SELECT 1", False),
    ],
)
def test_selects_are_told_from_other_statements(text: str, is_select: bool) -> None:
    statement = parse(text)
    assert statement is not None
    assert statement.is_select is is_select


def test_nothing_but_comments_is_no_statement() -> None:
    assert parse(" -- nothing\n/* at all */ ;") is None


@pytest.mark.parametrize(("text", "code"), [("SELECT 1; SELECT 2", 62), ("SELECT 1 into /* x */ outfile 'y'", 358)])
def test_several_statements_and_result_files_are_refused(text: str, code: int) -> None:
    with pytest.raises(ClickHouseError) as refused:
        parse(text)
    assert refused.value.code == code


# --- encodings ---------------------------------------------------------------------------------------------


def _decoded(reading: Decoder, data: bytes, limit: int = 999) -> bytes:
    """All that comes out, in pieces of the limit."""
    out = reading.decode(data, limit)
    while reading.pending:
        piece = reading.decode(b"", limit)
        assert len(piece) <= limit
        out += piece
    return out


@given(st.sampled_from(["", *ENCODINGS]), st.lists(st.binary(max_size=3000), max_size=5), st.integers(1, 700))
def test_what_is_encoded_in_pieces_is_decoded_in_other_pieces(name: str, pieces: list[bytes], size: int) -> None:
    writing, reading = encoder(name), decoder(name)
    sent = b"".join(writing.encode(piece) for piece in pieces) + writing.finish()
    received = b"".join(_decoded(reading, sent[at : at + size]) for at in range(0, len(sent), size))
    reading.finish()
    assert received == b"".join(pieces)


@pytest.mark.parametrize("name", ENCODINGS)
def test_several_frames_in_one_body_are_one_text(name: str) -> None:
    frames = b""
    for text in (b"one,", b"two"):
        frame = encoder(name)
        frames += frame.encode(text) + frame.finish()
    assert _decoded(decoder(name), frames) == b"one,two"


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_body_that_ends_inside_a_frame_is_refused(name: str) -> None:
    frame, reading = encoder(name), decoder(name)
    _decoded(reading, (frame.encode(b"x" * 1000) + frame.finish())[:-2])
    with pytest.raises(ClickHouseError, match="ends in the middle of a frame"):
        reading.finish()


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_body_that_is_not_what_it_says_is_refused(name: str) -> None:
    with pytest.raises(ClickHouseError, match="Cannot decompress"):
        _decoded(decoder(name), b"this is plain text, and a good deal of it")


MIB = 1 << 20
COMPRESSORS = {
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}


@pytest.fixture(scope="module")
def spaces() -> bytes:
    return b" " * (64 * MIB)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_few_bytes_that_stand_for_many_come_out_in_pieces_of_the_asked_size(name: str, spaces: bytes) -> None:
    reading, bomb = decoder(name), COMPRESSORS[name](spaces)
    assert len(bomb) < len(spaces) / 200
    tracemalloc.start()
    try:
        total = len(reading.decode(bomb, MIB))
        while reading.pending:
            piece = reading.decode(b"", MIB)
            assert len(piece) <= MIB
            total += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reading.finish()
    assert total == len(spaces)
    assert peak < 4 * MIB


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_query_that_is_too_long_is_refused_after_little_more_than_its_limit_was_made(
    name: str, spaces: bytes
) -> None:
    made = 0

    async def count(work: Callable[[], bytes]) -> bytes:
        nonlocal made
        piece = work()
        made += len(piece)
        return piece

    async def arriving() -> AsyncIterator[bytes]:
        yield COMPRESSORS[name](b"SELECT 1" + spaces)

    with pytest.raises(ClickHouseError, match="longer than 262144 bytes"):
        asyncio.run(Body(arriving(), decoder(name), count).all(262_144))
    assert made <= 262_144 + MIB


def test_a_frame_that_asks_for_a_window_beyond_eight_mebibytes_is_refused(spaces: bytes) -> None:
    greedy = zstd.compress(spaces, options={zstd.CompressionParameter.window_log: 26})
    with pytest.raises(ClickHouseError, match="too much memory"):
        decoder("zstd").decode(greedy, MIB)


@pytest.mark.parametrize("name", ENCODINGS)
def test_many_empty_frames_cost_no_more_than_their_length(name: str) -> None:
    """Each hands back what follows it: with all the rest of a body in it, this would take minutes."""
    empty = COMPRESSORS[name](b"")
    reading = decoder(name)
    assert reading.decode(empty * (MIB // len(empty)), MIB) == b""
    reading.finish()


def test_unknown_encodings_are_refused_by_name() -> None:
    with pytest.raises(ClickHouseError, match="br"):
        decoder("br")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [("lz4,zstd,gzip,deflate", "lz4"), ("deflate, gzip;q=0.5, br", "gzip"), ("br", ""), ("", "")],
)
def test_the_cheapest_accepted_encoding_is_chosen(accepted: str, chosen: str) -> None:
    assert choose_encoding(accepted) == chosen


# --- what the analyst may call -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM newfangled('x')",
        "SELECT * FROM (SELECT * FROM `newfangled`('x'))",
        "SELECT reach(1)",
        "SELECT arrayMap(reach, [1])",
        "SELECT * APPLY reach FROM t",
    ],
)
def test_what_a_later_engine_brings_is_refused_until_somebody_has_looked_at_it(query: str) -> None:
    forbidden = Forbidden.of(["reach", "length"], ["Newfangled", "numbers"])
    with pytest.raises(ClickHouseError, match="cannot use") as refused:
        check_read_only(query, {}, str, forbidden)
    assert refused.value.code == 497


@pytest.mark.parametrize(
    "query",
    ["SELECT newfangled, t.reach, length('reach') FROM t", "SELECT * FROM numbers(3)", "SELECT format('{}', 1)"],
)
def test_names_that_only_look_alike_are_not_refused(query: str) -> None:
    check_read_only(query, {}, str, Forbidden.of(["reach", "length", "format"], ["newfangled", "numbers", "format"]))


# --- errors, parameters, settings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrapped",
    [
        "Code: 164. DB::Exception: No. (READONLY)",
        "Code: 164. DB::Exception: Code: 164. DB::Exception: No. (READONLY) (version 26.9.2.1). (READONLY)",
        "Streaming insert finish failed: Code: 164. DB::Exception: No. (READONLY) (version 26.9.2.1)",
    ],
)
def test_engine_errors_are_told_once_and_without_wrapping(wrapped: str) -> None:
    error = from_engine(RuntimeError(wrapped))
    assert error.body("1.2") == "Code: 164. DB::Exception: No. (READONLY) (version 1.2)\n"


def test_an_error_without_a_code_keeps_its_text() -> None:
    assert from_engine(RuntimeError("it broke")).body("1.2").startswith("Code: 1002. DB::Exception: it broke")


def test_parameters_are_sorted_into_interface_settings_and_query_parameters() -> None:
    given_pairs = [("query", "q"), ("max_threads", "1"), ("param_x", "2"), ("session_id", "s"), ("database", "d")]
    sorted_out = parameters(given_pairs, {})
    assert (sorted_out.query, sorted_out.database) == ("q", "d")
    assert (sorted_out.settings, sorted_out.params) == ({"max_threads": "1"}, {"x": "2"})


@pytest.mark.parametrize("pair", [("a b", "1"), ("x=1, readonly", "0"), ("role", "r"), ("default_format", "A B")])
def test_parameters_that_cannot_be_meant_are_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ClickHouseError):
        parameters([pair], {})


def test_external_tables_are_refused_by_name() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="ids"; filename="ids"\r\n\r\n1\r\n--b--\r\n'
    with pytest.raises(ClickHouseError, match="External table ids"):
        form_fields(body, "multipart/form-data; boundary=b")


def test_writer_and_analyst_need_different_names() -> None:
    with pytest.raises(ValueError, match="both called 'same'"):
        ServerSettings(Path("x"), "", "", writer_user="same", analyst_user="same")
