"""What drivers in other languages ask of the HTTP interface, as the requests that they send.

The drivers themselves run in `tests/clients`.
"""

from __future__ import annotations

import http.client
import random
import struct
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlencode

import pytest
from clickhouse_cityhash.cityhash import CityHash128
from hypothesis import given
from hypothesis import strategies as st

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.embedded_clickhouse.block_compression import BlockDecoder, BlockEncoder
from interlock.sinks.embedded_clickhouse.engine import Engine
from interlock.sinks.embedded_clickhouse.errors import ClickHouseError
from interlock.sinks.embedded_clickhouse.native import NativeEncoder
from interlock.sinks.embedded_clickhouse.request import SessionParameters
from interlock.sinks.embedded_clickhouse.sessions import Sessions
from interlock.sinks.embedded_clickhouse.settings import Account
from interlock.sinks.embedded_clickhouse.sql import Kill, kill_of_one_query, with_own_query_ids

pytestmark = pytest.mark.warehouse

# What clickhouse-go 2.51 sends.
GO_REVISION = 54460
Answer = tuple[int, dict[str, str], bytes]  # status, headers, body
BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
EVERY_TYPE = """
SELECT toUInt64(number) AS n, if(number % 3 = 0, NULL, toString(number)) AS s,
    toLowCardinality(toString(number % 5)) AS l,
    toLowCardinality(if(number % 2 = 0, NULL, 'x')) AS ln, [toLowCardinality('a'), toString(number)] AS al,
    arrayMap(x -> [x, NULL], range(number % 4)) AS aa, map('k', number, repeat('v', 200), 1) AS m,
    tuple(number, 'x')::Tuple(`a b` UInt64, c Enum8('x' = 1, 'y, z' = 2)) AS t, toDecimal128(number, 3) AS d,
    toDateTime64(number, 6, 'UTC') AS at, toFixedString('abc', 3) AS f,
    toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0') AS u,
    (1, 2)::Point AS p, [[(1, 2)]]::Polygon AS pp, true AS b, toIPv6('::1') AS ip, toDate('2026-01-01') AS day,
    []::Array(LowCardinality(String)) AS e,
    [number]::SimpleAggregateFunction(groupArrayArray, Array(UInt64)) AS sa,
    tuple() AS nothing, INTERVAL 1 DAY AS i
FROM numbers(20000)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as running:
        yield running


def asked(server: EmbeddedClickHouse, body: str | bytes, user: str = "analyst", **parameters: object) -> Answer:
    passwords = {account.name: account.password for account in server.settings.accounts}
    query = urlencode({"user": user, "password": passwords[user], **parameters})
    connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
    try:
        connection.request("POST", f"/?{query}", body)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def opened(compressed: bytes) -> bytes:
    reading = BlockDecoder()
    out = reading.decode(compressed, 1 << 30)
    reading.finish()
    return out


# --- the Native format in the revision of the client -----------------------------------------------------


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        (0, b"\x01\x01\x01a\x05UInt8\x07"),
        (54405, BLOCK_INFO + b"\x01\x01\x01a\x05UInt8\x07"),
        (54454, BLOCK_INFO + b"\x01\x01\x01a\x05UInt8\x00\x07"),
        (GO_REVISION, BLOCK_INFO + b"\x01\x01\x01a\x05UInt8\x00\x07"),
        (54483, BLOCK_INFO[:-1] + b"\x03\x00\x00" + b"\x01\x01\x01a\x05UInt8\x00\x07"),
    ],
)
def test_native_blocks_are_written_in_the_revision_that_the_client_names(
    server: EmbeddedClickHouse, revision: int, expected: bytes
) -> None:
    _, _, body = asked(server, "SELECT toUInt8(7) AS a", default_format="Native", client_protocol_version=revision)
    assert body == expected


def test_a_column_of_every_type_keeps_its_bytes(server: EmbeddedClickHouse) -> None:
    """What is put in can be taken out again: an independent decoder reads the values behind it."""
    plain = asked(server, EVERY_TYPE, default_format="Native")[2]
    in_revision = asked(server, EVERY_TYPE, default_format="Native", client_protocol_version=54405)[2]
    blocks = in_revision.count(BLOCK_INFO)
    assert blocks >= 1
    assert in_revision.replace(BLOCK_INFO, b"") == plain


def test_the_python_client_reads_every_type_in_its_revision(server: EmbeddedClickHouse) -> None:
    client = server.client("analyst")
    assert client.protocol_version == 54405  # it asks for a block in this revision, and looks whether it gets one
    query = f"SELECT * EXCEPT (p, pp, nothing, sa, i, t) FROM ({EVERY_TYPE})"
    rows = client.query(query).result_rows
    assert len(rows) == 20_000
    assert rows[7][:7] == (7, "7", "2", "x", ["a", "7"], [[0, None], [1, None], [2, None]], {"k": 7, "v" * 200: 1})


@given(st.integers(1, 400), st.randoms(use_true_random=False))
def test_blocks_that_arrive_in_pieces_of_any_size_are_the_same(size: int, chances: random.Random) -> None:
    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    names = [bytes(chances.choices(b"abc", k=chances.randrange(90))) for _ in range(7)]
    column = text(b"name") + text(b"String")
    block = b"\x01\x07" + column + b"".join(map(text, names))
    writing = NativeEncoder(GO_REVISION)
    data = block * 3
    out = b"".join(writing.encode(data[at : at + size]) for at in range(0, len(data), size)) + writing.finish()
    assert out == (BLOCK_INFO + b"\x01\x07" + column + b"\x00" + b"".join(map(text, names))) * 3


def test_a_result_without_rows_is_no_block(server: EmbeddedClickHouse) -> None:
    status, _, body = asked(
        server, "SELECT number FROM numbers(0)", default_format="Native", client_protocol_version=GO_REVISION
    )
    assert (status, body) == (200, b"")


def test_a_type_that_cannot_be_written_in_a_revision_is_refused_with_what_to_do(server: EmbeddedClickHouse) -> None:
    status, headers, body = asked(
        server, "SELECT sumState(1) AS s", default_format="Native", client_protocol_version=GO_REVISION
    )
    assert (status, headers["x-clickhouse-exception-code"]) == (501, "48")
    assert b"AggregateFunction(sum, UInt8)" in body
    assert b"finalizeAggregation()" in body


@pytest.mark.parametrize("value", ["x", "-1", "1.5"])
def test_a_revision_that_is_no_number_is_refused(server: EmbeddedClickHouse, value: str) -> None:
    status, _, body = asked(server, "SELECT 1", client_protocol_version=value)
    assert (status, b"client_protocol_version" in body) == (400, True)


def test_a_failure_in_the_middle_of_a_native_result_is_told_outside_of_its_blocks(server: EmbeddedClickHouse) -> None:
    query = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000)"
    with pytest.raises(http.client.IncompleteRead) as broken:
        asked(server, query, default_format="Native", client_protocol_version=GO_REVISION, compress=1)
    assert b"\r\n__exception__\r\n" in broken.value.partial[-2000:]
    assert b"Code: 395" in broken.value.partial[-2000:]


# --- ClickHouse's own compression ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "method"),
    [({}, 0x82), ({"network_compression_method": "ZSTD"}, 0x90), ({"network_compression_method": "none"}, 0x02)],
)
def test_answers_come_in_compressed_blocks_where_the_client_asks_for_them(
    server: EmbeddedClickHouse, parameters: dict[str, str], method: int
) -> None:
    """clickhouse-jdbc asks so in every request."""
    query = "SELECT number FROM numbers(300000)"
    _, _, body = asked(server, query, "default", compress=1, **parameters)
    checksum, (first_method, size) = struct.unpack_from("<QQ", body), struct.unpack_from("<BI", body, 16)
    value = CityHash128(body[16 : 16 + size])
    assert (first_method, checksum) == (method, (value >> 64, value & (1 << 64) - 1))
    assert opened(body) == b"".join(b"%d\n" % number for number in range(300_000))


def test_a_block_that_the_engine_itself_has_written_is_read(server: EmbeddedClickHouse) -> None:
    """The files of a table without an index are such blocks, one after the other."""
    server.client().command("CREATE TABLE written (id UInt64) ENGINE = Log")
    server.client().command("INSERT INTO written SELECT number FROM numbers(1000)")
    (file,) = {path.resolve() for path in (server.settings.data_dir / "engine").rglob("store/**/id.bin")}
    assert opened(file.read_bytes()) == struct.pack("<1000Q", *range(1000))


@pytest.mark.parametrize("method", ["LZ4", "ZSTD", "NONE"])
def test_rows_may_be_sent_in_compressed_blocks(server: EmbeddedClickHouse, method: str) -> None:
    server.client().command(f"CREATE TABLE sent_{method} (id UInt64) ENGINE = Memory")
    writing = BlockEncoder(method)
    data = writing.encode(b"".join(b"%d\n" % number for number in range(400_000))) + writing.finish()
    status, _, body = asked(server, data, "default", query=f"INSERT INTO sent_{method} FORMAT TSV", decompress=1)
    assert status == 200, body
    assert server.client().query(f"SELECT count(), sum(id) FROM sent_{method}").first_row == (400_000, 79_999_800_000)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda block: bytes([block[0] ^ 1]) + block[1:], 40),
        (lambda block: block[:16] + b"\x55" + block[17:], 89),
        (lambda block: block[:-1], 271),
        (lambda block: block[:21] + b"\xff\xff\xff\xff" + block[25:], 12),
    ],
    ids=["checksum", "method", "end", "size"],
)
def test_a_damaged_block_is_refused(server: EmbeddedClickHouse, damage: object, code: int) -> None:
    writing = BlockEncoder("LZ4")
    data = damage(writing.encode(b"1\n" * 100) + writing.finish())  # type: ignore[operator]
    status, headers, body = asked(server, data, "default", query="SELECT", decompress=1)
    assert (status != 200, headers["x-clickhouse-exception-code"]) == (True, str(code)), body


def test_an_unknown_method_of_compression_is_refused_by_name(server: EmbeddedClickHouse) -> None:
    _, headers, body = asked(server, "SELECT 1", "default", compress=1, network_compression_method="LZMA")
    assert headers["x-clickhouse-exception-code"] == "89"
    assert b"'LZMA'" in body


@given(st.lists(st.binary(max_size=3000), max_size=4), st.integers(1, 700))
def test_compressed_blocks_may_arrive_in_pieces(pieces: list[bytes], size: int) -> None:
    writing, reading = BlockEncoder("LZ4"), BlockDecoder()
    sent = b"".join(writing.encode(piece) for piece in pieces) + writing.finish()
    out = b""
    for at in range(0, len(sent), size):
        out += reading.decode(sent[at : at + size], 999)
        while reading.pending:
            piece = reading.decode(b"", 999)
            assert len(piece) <= 999
            out += piece
    reading.finish()
    assert out == b"".join(pieces)


def test_a_block_that_claims_to_be_larger_than_it_may_be_is_refused_before_it_is_opened() -> None:
    with pytest.raises(ClickHouseError, match="at most"):
        BlockDecoder().decode(bytes(16) + struct.pack("<BII", 0x82, 100, 1 << 31), 1 << 20)


# --- what else drivers look at ---------------------------------------------------------------------------


def test_an_unknown_role_is_refused(server: EmbeddedClickHouse) -> None:
    status, headers, body = asked(server, "SELECT 1", role="auditor")
    assert (status, headers["x-clickhouse-exception-code"]) == (404, "511")
    assert b"auditor" in body


def test_the_greeting_of_the_go_client_is_answered(server: EmbeddedClickHouse) -> None:
    query = "SELECT displayName(), version(), revision(), timezone()"
    status, _, body = asked(
        server, query, default_format="Native", client_protocol_version=GO_REVISION, compress=1, database="default"
    )
    assert status == 200
    assert opened(body).startswith(BLOCK_INFO + b"\x04\x01\x0ddisplayName()\x06String\x00")


# --- sessions --------------------------------------------------------------------------------------------


def test_a_temporary_table_lives_as_long_as_its_session(server: EmbeddedClickHouse) -> None:
    for statement in ("CREATE TEMPORARY TABLE mine (id UInt8)", "INSERT INTO mine VALUES (1), (2)"):
        assert asked(server, statement, "default", session_id="a")[0] == 200
    assert asked(server, "SELECT sum(id) FROM mine", "default", session_id="a")[2] == b"3\n"
    for other in ({}, {"session_id": "b"}):
        assert asked(server, "SELECT sum(id) FROM mine", "default", **other)[1]["x-clickhouse-exception-code"] == "60"


@pytest.mark.parametrize("user", ["analyst", "default"])
def test_set_and_use_hold_for_the_session_and_what_the_url_says_for_its_request(
    server: EmbeddedClickHouse, user: str
) -> None:
    question = "SELECT getSetting('max_block_size'), getSetting('max_result_rows'), currentDatabase()"

    def answer(**parameters: object) -> list[str]:
        return asked(server, question, user, session_id=f"s-{user}", **parameters)[2].decode().split()

    before = answer()
    for statement in ("SET max_block_size = 1234", "USE system"):
        assert asked(server, statement, user, session_id=f"s-{user}", database="default")[0] == 200
    assert answer() == ["1234", before[1], "system"]
    assert answer(max_block_size=4321, max_result_rows=7, database="default") == ["4321", "7", "default"]
    assert answer() == ["1234", before[1], "system"]


def test_the_analyst_cannot_lift_limits_in_a_session(server: EmbeddedClickHouse) -> None:
    assert asked(server, "SET max_execution_time = 5", session_id="tight")[0] == 200
    question = "SELECT getSetting('max_execution_time')"
    assert asked(server, question, session_id="tight")[2] == b"5\n"
    for statement, code in (
        ("SET max_execution_time = 0", "452"),
        ("SET max_execution_time = DEFAULT", "452"),
        ("SET profile = 'default'", "164"),
        ("SET ROLE writer", "164"),
        ("CREATE TEMPORARY TABLE mine (id UInt8)", "164"),
    ):
        assert asked(server, statement, session_id="tight")[1]["x-clickhouse-exception-code"] == code
    assert asked(server, question, session_id="tight")[2] == b"5\n"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"session_id": "nobody", "session_check": 1}, "372"),
        ({"session_id": "x", "session_timeout": 3601}, "374"),
        ({"session_id": "x", "session_timeout": "soon"}, "374"),
    ],
)
def test_a_session_that_cannot_be_is_refused(
    server: EmbeddedClickHouse, parameters: dict[str, object], code: str
) -> None:
    assert asked(server, "SELECT 1", "analyst", **parameters)[1]["x-clickhouse-exception-code"] == code


def test_a_session_belongs_to_its_user_and_ends_some_time_after_its_last_query() -> None:
    opened, now = list[SimpleNamespace](), [0.0]

    def opens(account: Account) -> SimpleNamespace:
        opened.append(SimpleNamespace(account=account, closed=False))
        opened[-1].close = lambda handle=opened[-1]: setattr(handle, "closed", True)
        return opened[-1]

    sessions = Sessions(cast(Engine, SimpleNamespace(open=opens)), clock=lambda: now[0])
    one, other, session = Account("one", ""), Account("other", ""), SessionParameters("s", 60, must_exist=False)

    def handle(account: Account, text: str) -> object:
        with sessions.handle(account, session, text) as (found, kept):
            locked = pytest.raises(ClickHouseError, match="locked") if kept else nullcontext()
            with locked, sessions.handle(account, session, text):
                pass
            return found

    kept = handle(one, "SET max_threads = 1")
    assert handle(one, "SELECT 1") is kept
    assert handle(other, "SELECT 1") is not kept
    now[0] = 59.0
    assert handle(one, "SELECT 1") is kept
    now[0] = 120.0
    assert handle(one, "SELECT 1") is not kept
    assert all(each.closed for each in opened)


def test_nobody_keeps_more_than_64_sessions() -> None:
    sessions = Sessions(cast(Engine, SimpleNamespace(open=lambda _: SimpleNamespace(close=lambda: None))))
    account = Account("one", "")
    for number in range(64):
        with sessions.handle(account, SessionParameters(str(number), 60, must_exist=False), "USE system"):
            pass
    more = SessionParameters("more", 60, must_exist=False)
    with pytest.raises(ClickHouseError, match="Too many sessions"), sessions.handle(account, more, "USE system"):
        pass


# --- queries by their ids --------------------------------------------------------------------------------


@contextmanager
def endless(server: EmbeddedClickHouse, user: str, query_id: str) -> Iterator[Future[Answer]]:
    """A query that runs until somebody stops it; it is seen under its id before the block begins."""
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(asked, server, "SELECT count() FROM system.numbers", user, query_id=query_id)
        seen = f"SELECT count() FROM system.processes WHERE query_id = '{query_id}'"
        try:
            deadline = time.monotonic() + 30
            while asked(server, seen, "default")[2] != b"1\n":
                assert time.monotonic() < deadline
            yield running
        finally:
            asked(server, f"KILL QUERY WHERE query_id = '{query_id}' SYNC", "default")


@pytest.mark.parametrize("killer", ["analyst", "default"])
def test_a_query_is_stopped_by_its_id(server: EmbeddedClickHouse, killer: str) -> None:
    """clickhouse-jdbc sends this for Statement.cancel(). The analyst has one turn, which the query itself holds."""
    with endless(server, "analyst", "stop-me") as running:
        statement = "KILL QUERY WHERE query_id = 'stop-me'"
        _, _, told = asked(server, statement, killer, default_format="TabSeparatedWithNames")
        assert told.decode().splitlines() == [
            "kill_status\tquery_id\tuser\tquery",
            "waiting\tstop-me\tanalyst\tSELECT count() FROM system.numbers",
        ]
        status, headers, _ = running.result(30)
    assert (status, headers["x-clickhouse-exception-code"]) == (500, "394")


def test_the_analyst_stops_no_query_of_another_user(server: EmbeddedClickHouse) -> None:
    with endless(server, "default", "not-yours"):
        _, headers, body = asked(server, "KILL QUERY WHERE query_id = 'not-yours' SYNC")
        assert headers["x-clickhouse-exception-code"] == "497"
        assert b"attempts to kill query created by default" in body
        assert asked(server, "KILL QUERY WHERE query_id != ''")[1]["x-clickhouse-exception-code"] == "164"
        still = "SELECT count() FROM system.processes WHERE query_id = 'not-yours'"
        assert asked(server, still, "default")[2] == b"1\n"


def test_the_writer_stops_queries_by_other_conditions_on_their_ids(server: EmbeddedClickHouse) -> None:
    with endless(server, "default", "job-7") as running:
        assert asked(server, "KILL QUERY WHERE query_id LIKE 'job-%' ASYNC", "default")[0] == 200
        assert running.result(30)[1]["x-clickhouse-exception-code"] == "394"


def test_stopping_a_query_that_does_not_run_stops_nothing(server: EmbeddedClickHouse) -> None:
    status, _, body = asked(server, "KILL QUERY WHERE query_id = 'gone'")
    assert (status, body) == (200, b"")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("KILL QUERY WHERE query_id = 'a'", Kill("a", "ASYNC", None)),
        ("kill query where query_id='a''b' sync format JSON;", Kill("a'b", "SYNC", "JSON")),
        ("KILL QUERY WHERE query_id = 'a' OR 1", None),
        ("KILL QUERY WHERE user = 'a'", None),
        ("KILL MUTATION WHERE query_id = 'a'", None),
        ("SELECT 1", None),
    ],
)
def test_only_one_query_named_by_its_id_is_taken_for_a_cancellation(text: str, expected: Kill | None) -> None:
    assert kill_of_one_query(text) == expected


def test_query_ids_are_put_where_processes_are_looked_at_and_nowhere_else() -> None:
    for text in ("SELECT 'FROM system.processes', query_id FROM t", "SELECT system.processes.query_id"):
        assert with_own_query_ids(text) == text
    assert "log_comment" in with_own_query_ids("SELECT * FROM a JOIN system . processes AS p USING query_id")
