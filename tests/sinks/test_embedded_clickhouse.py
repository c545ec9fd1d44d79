"""What a client of ClickHouse's HTTP interface may rely on, whoever serves it.

Every test here also holds for a real server: set INTERLOCK_TEST_CLICKHOUSE_URL (and, if needed,
INTERLOCK_TEST_CLICKHOUSE_USER and _PASSWORD) and each of them runs twice.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import os
import secrets
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import clickhouse_connect
import lz4.frame  # type: ignore[import-untyped]
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.compression import _zstd_compress, _zstd_decompress
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings

pytestmark = pytest.mark.warehouse

EXTERNAL_URL = os.environ.get("INTERLOCK_TEST_CLICKHOUSE_URL", "")
DEADLINE = 30.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Target:
    """A server to test, and a database of our own on it."""

    url: str
    user: str
    password: str
    database: str = ""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 8123

    @property
    def basic(self) -> dict[str, str]:
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {token}"}

    def client(self) -> Client:
        host, port = self.address
        return clickhouse_connect.get_client(
            host=host,
            port=port,
            username=self.user,
            password=self.password,
            database=self.database,
            autogenerate_session_id=False,
        )

    def http(
        self,
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        method: str = "POST",
        path: str = "/",
        **parameters: Any,
    ) -> Answer:
        connection = http.client.HTTPConnection(*self.address, timeout=DEADLINE)
        try:
            query = urlencode({"database": self.database} | parameters)
            credentials = self.basic if headers is None or "Authorization" not in headers else {}
            connection.request(method, f"{path}?{query}", body, credentials | (headers or {}))
            response = connection.getresponse()
            return Answer(
                response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def value(self, query: str, **parameters: Any) -> str:
        answer = self.http(query, **parameters)
        assert answer.status == 200, answer.body
        return answer.body.decode().rstrip("\n")


@pytest.fixture(scope="module", params=["embedded", *(["external"] if EXTERNAL_URL else [])])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    if request.param == "external":
        yield from _with_database(
            Target(
                EXTERNAL_URL,
                os.environ.get("INTERLOCK_TEST_CLICKHOUSE_USER", "default"),
                os.environ.get("INTERLOCK_TEST_CLICKHOUSE_PASSWORD", ""),
            )
        )
        return
    settings = ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))
    with EmbeddedClickHouse(settings) as server:
        yield from _with_database(Target(server.url, settings.writer_user, settings.writer_password))


def _with_database(target: Target) -> Iterator[Target]:
    database = f"conformance_{secrets.token_hex(4)}"
    target.value(f"CREATE DATABASE {database}")
    yield replace(target, database=database)
    target.value(f"DROP DATABASE {database}")


@pytest.fixture
def table(target: Target) -> Iterator[str]:
    """An empty table (id UInt64, name String) that drops repeated inserts."""
    name = f"t_{secrets.token_hex(4)}"
    target.value(
        f"CREATE TABLE {name} (id UInt64, name String) ENGINE = MergeTree ORDER BY id "
        "SETTINGS non_replicated_deduplication_window = 100"
    )
    yield name
    target.value(f"DROP TABLE {name}")


def until(condition: Callable[[], bool], what: str) -> None:
    """Ask again until it holds; every question is a request, so this does not spin."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"


# --- requests -------------------------------------------------------------------------------------------


def test_ping_needs_no_credentials(target: Target) -> None:
    answer = target.http(method="GET", path="/ping", headers={"Authorization": ""})
    assert (answer.status, answer.body) == (200, b"Ok.\n")


def test_a_query_may_stand_in_the_url(target: Target) -> None:
    assert target.http(method="GET", query="SELECT 1").body == b"1\n"


def test_a_query_may_stand_in_the_body(target: Target) -> None:
    assert target.http("SELECT 1").body == b"1\n"


def test_the_body_continues_the_query_of_the_url_on_a_new_line(target: Target) -> None:
    assert target.http("+ 2", query="SELECT 1 -- one").body == b"3\n"


def test_a_closing_semicolon_and_comments_do_no_harm(target: Target) -> None:
    assert target.http("/* FORMAT CSV */ SELECT 'FORMAT JSON', 1 -- FORMAT XML\n ; ").body == b"FORMAT JSON\t1\n"


def test_a_get_request_cannot_write(target: Target, table: str) -> None:
    answer = target.http(method="GET", query=f"INSERT INTO {table} VALUES (1, 'x')")
    assert answer.headers["x-clickhouse-exception-code"] == "164"
    assert target.value(f"SELECT count() FROM {table}") == "0"


def test_two_statements_in_one_request_are_refused(target: Target, table: str) -> None:
    answer = target.http(f"SELECT 1; DROP TABLE {table}")
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (400, "62")
    assert target.value(f"EXISTS TABLE {table}") == "1"


def test_parameters_of_the_url_that_are_no_interface_parameters_are_settings(target: Target) -> None:
    assert target.value("SELECT getSetting('max_block_size')", max_block_size="1234") == "1234"


def test_settings_and_databases_of_one_request_do_not_reach_the_next(target: Target) -> None:
    client = target.client()
    client.command("SET max_block_size = 4321")
    client.command("USE system")
    assert client.command("SELECT getSetting('max_block_size') != 4321, currentDatabase()") == [
        "1",
        target.database,
    ]


def test_server_side_parameters_take_any_text(target: Target) -> None:
    for text in ("plain", "O'Brien", "100 %\ttab\nline \\ back", "ümlaut 🙂", ""):
        assert target.client().query("SELECT {p:String}", parameters={"p": text}).first_row == (text,)


def test_server_side_parameters_in_the_url_need_no_client_library(target: Target) -> None:
    assert target.value("SELECT {n:UInt8} + 1, {a:Array(String)}", param_n="4", param_a="['x']") == "5\t['x']"


def test_very_long_parameters_travel_as_a_form(target: Target) -> None:
    long = "x" * 100_000
    assert target.client().query("SELECT length({p:String})", parameters={"p": long}).first_row == (100_000,)


# --- credentials ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["basic", "headers", "url"])
def test_credentials_may_come_as_basic_auth_headers_or_parameters(target: Target, where: str) -> None:
    headers: dict[str, str] = {"Authorization": ""}
    parameters: dict[str, Any] = {}
    if where == "basic":
        headers = target.basic
    elif where == "headers":
        headers |= {"X-ClickHouse-User": target.user, "X-ClickHouse-Key": target.password}
    else:
        parameters = {"user": target.user, "password": target.password}
    assert target.http("SELECT 1", headers, **parameters).body == b"1\n"


def test_a_wrong_password_is_refused_with_code_516(target: Target) -> None:
    answer = target.http("SELECT 1", {"Authorization": ""}, user=target.user, password="not the password")
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (403, "516")
    assert b"password is incorrect, or there is no user with such name" in answer.body


# --- results --------------------------------------------------------------------------------------------


def test_the_format_is_that_of_the_query_else_of_the_header_else_of_the_parameter(target: Target) -> None:
    header = {"X-ClickHouse-Format": "JSONEachRow"}
    assert target.http("SELECT 1 AS a", default_format="CSVWithNames").body == b'"a"\n1\n'
    assert target.http("SELECT 1 AS a", header, default_format="CSVWithNames").body == b'{"a":1}\n'
    answer = target.http("SELECT 1 AS a FORMAT TSVWithNames", header)
    assert (answer.body, answer.headers["x-clickhouse-format"]) == (b"a\n1\n", "TSVWithNames")


def test_settings_may_follow_the_format(target: Target) -> None:
    query = "SELECT number FROM numbers(3) FORMAT CSV SETTINGS max_block_size = 1"
    assert target.value(query) == "0\n1\n2"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1 AS x",
        "(SELECT 1 AS x) UNION ALL (SELECT 1 AS x LIMIT 0)",
        "WITH 1 AS one SELECT one AS x",
        "FROM system.one SELECT 1 AS x",
        "SELECT x FROM (SELECT 1 AS x, 2 AS format) WHERE format = 2",
    ],
)
def test_every_form_of_select_returns_its_rows(target: Target, query: str) -> None:
    assert target.client().query(query).named_results().__next__() == {"x": 1}


@pytest.mark.parametrize("query", ["SHOW TABLES", "DESCRIBE TABLE system.one", "EXPLAIN SELECT 1"])
def test_statements_that_tell_about_the_database_return_rows_too(target: Target, table: str, query: str) -> None:
    rows = json.loads(target.value(f"{query} FORMAT JSONCompact"))["rows"]
    assert rows >= 1, table


def test_an_empty_result_still_has_its_columns(target: Target) -> None:
    query = "SELECT number AS n, toString(number) AS s FROM numbers(0)"
    assert target.client().query_arrow(query).column_names == ["n", "s"]
    assert json.loads(target.value(f"{query} FORMAT JSON"))["meta"][0] == {"name": "n", "type": "UInt64"}
    assert target.value(f"{query} FORMAT CSVWithNames") == '"n","s"'


def test_a_large_result_is_one_well_formed_document(target: Target) -> None:
    query = "SELECT number, toString(number) AS text FROM numbers(300000)"
    lines = target.value(f"{query} FORMAT CSVWithNames").splitlines()
    assert (lines[0], lines[1], lines[-1], len(lines)) == (
        '"number","text"',
        '0,"0"',
        '299999,"299999"',
        300_001,
    )
    assert json.loads(target.value(f"{query} FORMAT JSONCompact"))["rows"] == 300_000
    assert target.client().query_arrow(query)["number"].to_pylist() == list(range(300_000))


def test_a_result_may_be_read_in_blocks(target: Target) -> None:
    with target.client().query_row_block_stream("SELECT number FROM numbers(500000)") as blocks:
        sizes = [len(block) for block in blocks]
    assert (sum(sizes), len(sizes) > 1) == (500_000, True)


def test_a_result_may_be_read_as_a_data_frame(target: Target) -> None:
    frame = target.client().query_df("SELECT number, toString(number) AS text FROM numbers(3)")
    assert frame["text"].tolist() == ["0", "1", "2"]


def test_responses_say_who_answered_which_query_in_which_time_zone_and_how_much_was_read(target: Target) -> None:
    answer = target.http("SELECT sum(number) FROM numbers(1000)", query_id=f"mine-{target.database}")
    assert answer.headers["x-clickhouse-query-id"] == f"mine-{target.database}"
    assert answer.headers["x-clickhouse-timezone"] == target.value("SELECT timezone()")
    assert answer.headers["x-clickhouse-server-display-name"]
    assert json.loads(answer.headers["x-clickhouse-summary"])["read_rows"] == "1000"


@pytest.mark.parametrize(
    ("encoding", "decompress"),
    [
        ("lz4", lz4.frame.decompress),
        ("zstd", _zstd_decompress),
        ("gzip", gzip.decompress),
        ("deflate", zlib.decompress),
    ],
)
@pytest.mark.parametrize("rows", [0, 10, 300_000])
def test_results_are_compressed_when_asked_for(
    target: Target, encoding: str, decompress: Callable[[bytes], bytes], rows: int
) -> None:
    query = f"SELECT number FROM numbers({rows})"
    answer = target.http(query, {"Accept-Encoding": encoding}, enable_http_compression="1")
    assert answer.headers["content-encoding"] == encoding
    assert decompress(answer.body).decode() == "".join(f"{number}\n" for number in range(rows))


def test_results_are_not_compressed_unasked(target: Target) -> None:
    assert "content-encoding" not in target.http("SELECT 1", {"Accept-Encoding": "gzip"}).headers


# --- errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "parameters", "expected"),
    [
        ("SELECT * FROM no_such_table", {}, (404, 60, "UNKNOWN_TABLE")),
        ("SELECT no_such_column", {}, (404, 47, "UNKNOWN_IDENTIFIER")),
        ("SELECT 1 +", {}, (400, 62, "SYNTAX_ERROR")),
        ("SELECT 1 FORMAT NoSuchFormat", {}, (404, 73, "UNKNOWN_FORMAT")),
        ("SELECT 1", {"no_such_setting": "1"}, (404, 115, "UNKNOWN_SETTING")),
        ("SELECT 1", {"database": "no_such_database"}, (404, 81, "UNKNOWN_DATABASE")),
        ("INSERT INTO no_such_table FORMAT CSV\n1", {}, (404, 60, "UNKNOWN_TABLE")),
        ("SELECT throwIf(1)", {}, (500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO")),
    ],
)
def test_errors_carry_clickhouses_code_status_and_text(
    target: Target, query: str, parameters: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    status, code, name = expected
    answer = target.http(query, **parameters)
    text = answer.body.decode()
    assert (answer.status, answer.headers["x-clickhouse-exception-code"]) == (status, str(code))
    assert text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name}) (version " in text
    assert text.count("Code: ") == 1
    assert "OUTFILE" not in text


def test_the_client_library_tells_the_code_of_an_error(target: Target) -> None:
    with pytest.raises(DatabaseError) as error:
        target.client().command("SELECT * FROM no_such_table")
    assert error.value.code == 60


def test_a_query_that_fails_in_the_middle_of_its_result_is_not_taken_for_complete(target: Target) -> None:
    query = "SELECT number, throwIf(number = 3000000) FROM numbers(4000000)"
    with pytest.raises(StreamFailureError, match="throwIf"):
        _ = target.client().query(query).result_rows
    with pytest.raises(http.client.IncompleteRead) as broken:
        target.http(query)
    assert b"Code: 395" in broken.value.partial[-2000:]


# --- inserts --------------------------------------------------------------------------------------------

FORMATS = ["CSV", "TabSeparated", "JSONEachRow", "Values", "Native", "RowBinary", "ArrowStream", "Parquet", "Avro"]


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_select_writes_in_a_format_an_insert_reads(target: Target, table: str, name: str) -> None:
    rows = "SELECT number AS id, concat('n\\t', toString(number)) AS name FROM numbers(10000)"
    data = target.http(f"{rows} FORMAT {name}").body
    target.client().raw_insert(table, ["id", "name"], data, fmt=name)
    assert target.value(f"SELECT count(), sum(id), max(name) FROM {table}") == "10000\t49995000\tn\\t9999"


@pytest.mark.parametrize(
    ("in_url", "in_body"),
    [
        ("INSERT INTO {t} FORMAT CSV", '1,"a"\n2,"b"\n'),
        ("INSERT INTO {t} (id, name) FORMAT TSV", "1\ta\n2\tb\n"),
        ("INSERT INTO {t} VALUES", "(1, 'a'), (2, 'b')"),
        ("", "INSERT INTO {t} VALUES (1, 'a'), (2, 'b')"),
        ("", "INSERT INTO {t} FORMAT CSV\n1,a\n2,b\n"),
        ("", 'INSERT INTO {t} SETTINGS async_insert = 0 FORMAT JSONEachRow {{"id":1,"name":"a"}}{{"id":2,"name":"b"}}'),
        ("", "INSERT INTO {t} SELECT number + 1, ['a', 'b'][number + 1] FROM numbers(2)"),
        ("", "INSERT INTO {t} (SELECT 1, 'a' UNION ALL SELECT 2, 'b')"),
        ("", "INSERT INTO {t} WITH 'a' AS x SELECT 1, x UNION ALL SELECT 2, 'b'"),
    ],
)
def test_rows_may_follow_an_insert_in_every_usual_way(target: Target, table: str, in_url: str, in_body: str) -> None:
    parameters: dict[str, Any] = {"query": in_url.format(t=table)} if in_url else {}
    answer = target.http(in_body.format(t=table), **parameters)
    assert answer.status == 200, answer.body
    assert json.loads(answer.headers["x-clickhouse-summary"])["written_rows"] == "2"
    assert target.value(f"SELECT groupArray((id, name)) FROM (SELECT * FROM {table} ORDER BY id)") == (
        "[(1,'a'),(2,'b')]"
    )


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("lz4", lz4.frame.compress),
        ("zstd", _zstd_compress),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
    ],
)
def test_rows_may_be_sent_compressed(
    target: Target, table: str, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    data = "".join(f"{number},n\n" for number in range(100_000)).encode()
    answer = target.http(compress(data), {"Content-Encoding": encoding}, query=f"INSERT INTO {table} FORMAT CSV")
    assert answer.status == 200, answer.body
    assert target.value(f"SELECT count(), sum(id) FROM {table}") == "100000\t4999950000"


def test_the_client_library_inserts_rows_columns_frames_and_arrow_tables(target: Target, table: str) -> None:
    client = target.client()
    client.insert(table, [[1, "a"], [2, "b"]], ["id", "name"])
    client.insert(table, [[3, 4], ["c", "d"]], ["id", "name"], column_oriented=True)
    client.insert_arrow(table, pa.table({"id": pa.array([5, 6], pa.uint64()), "name": ["e", "f"]}))
    client.insert_df(table, client.query_df("SELECT toUInt64(7) AS id, 'g' AS name"))
    names = "SELECT arrayStringConcat(groupArray(name)) FROM (SELECT name FROM {t} ORDER BY id)"
    assert client.command(names.format(t=table)) == "abcdefg"


def test_a_large_insert_arrives_whole(target: Target, table: str) -> None:
    """20 MB in one request, several blocks."""
    rows = 500_000
    column = pa.array([f"name-{number:030d}" for number in range(rows)])
    target.client().insert_arrow(table, pa.table({"id": pa.array(range(rows), pa.uint64()), "name": column}))
    assert target.value(f"SELECT count(), uniqExact(id), sum(id) FROM {table}") == (
        f"{rows}\t{rows}\t{rows * (rows - 1) // 2}"
    )


def test_an_insert_with_a_bad_row_leaves_nothing_behind(target: Target, table: str) -> None:
    data = "".join(f"{number},n\n" for number in range(50_000)) + "not a number,n\n"
    answer = target.http(data, query=f"INSERT INTO {table} FORMAT CSV")
    assert answer.status == 400, answer.body
    assert "(at row 50001)" in answer.body.decode()
    assert target.value(f"SELECT count() FROM {table}") == "0"


def test_an_insert_that_breaks_off_leaves_nothing_behind(target: Target, table: str) -> None:
    statement = urlencode({"database": target.database, "query": f"INSERT INTO {table} FORMAT CSV"})
    head = f"POST /?{statement} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
    head += f"Authorization: {target.basic['Authorization']}\r\n\r\n"
    with socket.create_connection(target.address) as connection:
        connection.sendall(head.encode() + b"1,a\n" * 100_000)
    running = f"SELECT count() FROM system.processes WHERE query LIKE 'INSERT INTO%{table}%'"
    until(lambda: target.value(running) == "0", "the insert ends")
    assert target.value(f"SELECT count() FROM {table}") == "0"


def test_an_insert_that_a_constraint_or_a_view_refuses_is_an_error(target: Target, table: str) -> None:
    target.value(
        f"CREATE TABLE {table}_sums (id UInt64, CONSTRAINT small CHECK id < 10) ENGINE = MergeTree ORDER BY id"
    )
    target.value(f"CREATE MATERIALIZED VIEW {table}_view TO {table}_sums AS SELECT id FROM {table}")
    for data in ("1,a\n", "10,b\n"):
        answer = target.http(data, query=f"INSERT INTO {table} SETTINGS max_threads = 1 FORMAT CSV")
        assert answer.status == (200 if data[0:2] == "1," else 500), answer.body
    assert "Constraint `small`" in answer.body.decode()
    assert target.value(f"SELECT count() FROM {table}_sums") == "1"


SINK_SETTINGS = {"async_insert": "0", "deduplicate_blocks_in_dependent_materialized_views": "1"}


def test_an_insert_repeated_with_its_token_counts_once_in_the_table_and_in_its_aggregate(
    target: Target, table: str
) -> None:
    target.value(
        f"CREATE TABLE {table}_sums (bucket UInt8, rows AggregateFunction(count)) "
        "ENGINE = AggregatingMergeTree ORDER BY bucket SETTINGS non_replicated_deduplication_window = 100"
    )
    target.value(
        f"CREATE MATERIALIZED VIEW {table}_view TO {table}_sums AS "
        f"SELECT toUInt8(id % 4) AS bucket, countState() AS rows FROM {table} GROUP BY bucket"
    )
    client = target.client()
    for token in ("p-0-0-999", "p-0-0-999", "p-0-1000-1999", "p-0-0-999", "p-0-1000-1999"):
        first = int(token.split("-")[2])
        chunk = pa.table({"id": pa.array(range(first, first + 1000), pa.uint64()), "name": ["n"] * 1000})
        client.insert_arrow(table, chunk, settings={**SINK_SETTINGS, "insert_deduplication_token": token})
    assert target.value(f"SELECT count(), uniqExact(id) FROM {table}") == "2000\t2000"
    assert target.value(f"SELECT countMerge(rows) FROM {table}_sums") == "2000"
    target.value(f"DROP TABLE {table}_view")
    target.value(f"DROP TABLE {table}_sums")


# --- many at a time -------------------------------------------------------------------------------------


@contextmanager
def endless(target: Target, query: str) -> Iterator[str]:
    """A query that runs until its client goes away; yields the query that counts it."""
    marker = f"/* {secrets.token_hex(8)} */"
    parameters = urlencode({"cancel_http_readonly_queries_on_client_close": "1"})
    body = f"{query} {marker}".encode()
    head = f"POST /?{parameters} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    head += f"Authorization: {target.basic['Authorization']}\r\n\r\n"
    count = f"SELECT count() FROM system.processes WHERE query LIKE '{query}%' AND query NOT LIKE '%processes%'"
    with socket.create_connection(target.address) as connection:
        connection.sendall(head.encode() + body)
        until(lambda: target.value(count) == "1", "the query runs")
        yield count
    until(lambda: target.value(count) == "0", "the query is stopped")


def test_small_queries_are_answered_while_a_slow_one_runs(target: Target) -> None:
    with endless(target, "SELECT count() FROM system.numbers") as running:
        assert [target.value(f"SELECT {number}") for number in range(20)] == [str(n) for n in range(20)]
        assert target.value(running) == "1"


def test_queries_of_several_clients_run_at_the_same_time(target: Target, table: str) -> None:
    def work(number: int) -> int:
        target.http(f"INSERT INTO {table} VALUES ({number}, 'n')")
        return int(target.value(f"SELECT count() >= 1 AND {number} IN (SELECT id FROM {table}) FROM {table}"))

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(40))) == [1] * 40


@pytest.mark.parametrize("query", ["SELECT count() FROM system.numbers", "SELECT number FROM system.numbers"])
def test_a_query_nobody_waits_for_any_more_is_stopped(target: Target, query: str) -> None:
    """One that never answers, and one that never stops answering."""
    with endless(target, query):
        pass
