"""The read-only analyst of the embedded server: what it may run, and what it leaves to the sink."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.embedded_clickhouse.access import Forbidden, check_read_only
from interlock.sinks.embedded_clickhouse.engine import Handle
from interlock.sinks.embedded_clickhouse.engine_config import ANALYST_MEMORY, ANALYST_RUNNING
from interlock.sinks.embedded_clickhouse.errors import ClickHouseError

pytestmark = pytest.mark.warehouse

DEADLINE = 30.0
MIB = 1024 * 1024
SINK_SETTINGS = {"async_insert": "0", "deduplicate_blocks_in_dependent_materialized_views": "1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as running:
        running.client().command("CREATE TABLE facts (id UInt64, file String) ENGINE = MergeTree ORDER BY id")
        running.client().command("INSERT INTO facts SELECT number, 'x' FROM numbers(10)")
        yield running


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"


# --- the analyst ----------------------------------------------------------------------------------------


def test_the_analyst_reads_everything_in_every_way(server: EmbeddedClickHouse) -> None:
    analyst = server.client("analyst")
    assert analyst.query("SELECT sum(id) FROM facts WHERE id < {n:UInt8}", {"n": 5}).first_row == (10,)
    assert analyst.query_arrow("SELECT id FROM facts ORDER BY id")["id"].to_pylist() == list(range(10))
    assert analyst.command("SELECT count() FROM system.tables WHERE name = 'facts'") == 1
    assert analyst.query("DESCRIBE TABLE facts").result_rows[0][:2] == ("id", "UInt64")
    assert "facts" in str(analyst.command("SHOW TABLES"))
    assert analyst.command("SELECT facts.file, 'file' FROM facts LIMIT 1") == ["x", "file"]
    assert analyst.query("EXPLAIN SELECT 1").result_rows


READONLY, ACCESS_DENIED = 164, 497


@pytest.mark.parametrize(
    ("query", "code"),
    [
        # writing
        ("INSERT INTO facts VALUES (99, 'x')", READONLY),
        ("INSERT INTO facts SELECT 99, 'x'", READONLY),
        ("WITH 1 AS one INSERT INTO facts SELECT one, 'x'", READONLY),
        ("CREATE TABLE mine (id UInt8) ENGINE = Memory", READONLY),
        ("CREATE TEMPORARY TABLE mine (id UInt8)", READONLY),
        ("ALTER TABLE facts DELETE WHERE 1", READONLY),
        ("TRUNCATE TABLE facts", READONLY),
        ("DROP TABLE facts", READONLY),
        ("OPTIMIZE TABLE facts", READONLY),
        ("RENAME TABLE facts TO other", READONLY),
        ("INSERT INTO FUNCTION file('out.csv', 'CSV', 'a UInt8') SELECT 1", READONLY),
        ("SELECT 1 INTO OUTFILE 'out.csv'", 358),
        ("BACKUP TABLE facts TO File('backup')", READONLY),
        # getting out of being read-only
        ("SET readonly = 0", READONLY),
        ("SET ROLE writer", READONLY),
        ("SET ROLE ALL", READONLY),
        ("SELECT 1 SETTINGS readonly = 0", READONLY),
        ("SELECT 1 SETTINGS max_memory_usage = 0", READONLY),
        ("GRANT ALL ON *.* TO default", READONLY),
        ("EXECUTE AS default SELECT 1", READONLY),
        ("SELECT 1; DROP TABLE facts", 62),
        # disturbing others
        ("KILL QUERY WHERE 1", READONLY),
        ("SYSTEM STOP MERGES", READONLY),
        ("SYSTEM SHUTDOWN", READONLY),
        # files, networks, programs, memory of the server
        ("SELECT file('/etc/passwd')", ACCESS_DENIED),
        ("SELECT FILE ('/etc/passwd')", ACCESS_DENIED),
        (r"SELECT `fi\x6ce`('/etc/passwd')", ACCESS_DENIED),
        (r"""SELECT "f\u0069le"('/etc/passwd')""", None),
        ("SELECT arrayMap(x -> file(x), ['/etc/passwd'])", ACCESS_DENIED),
        ("SELECT arrayMap(file, ['/etc/passwd'])", ACCESS_DENIED),
        ("SELECT * APPLY file FROM (SELECT '/etc/passwd')", ACCESS_DENIED),
        ("SELECT * APPLY(x -> file(x)) FROM (SELECT '/etc/passwd')", ACCESS_DENIED),
        ("SHOW COLUMNS FROM facts WHERE file('/etc/passwd') != ''", ACCESS_DENIED),
        ("WITH (SELECT file('/etc/passwd')) AS x SELECT x", ACCESS_DENIED),
        ("SELECT 1 /*", 62),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", ACCESS_DENIED),
        ("DESCRIBE TABLE file('/etc/passwd', 'LineAsString')", ACCESS_DENIED),
        ("SELECT * FROM `/etc/passwd`", ACCESS_DENIED),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", ACCESS_DENIED),
        ("DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')", ACCESS_DENIED),
        ("SELECT * FROM s3('http://abc.s3.us-east-1.amazonaws.com/k', 'CSV', 'a String')", ACCESS_DENIED),
        ("SELECT * FROM remote('127.0.0.1:1', system.one)", ACCESS_DENIED),
        ("SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')", ACCESS_DENIED),
        ("SELECT * FROM sqlite('/tmp/x.db', 't')", ACCESS_DENIED),
        ("SELECT * FROM executable('ls', TSV, 'a String')", ACCESS_DENIED),
        ("SELECT * FROM filesystem('/')", ACCESS_DENIED),
        ("SELECT * FROM python(settings)", ACCESS_DENIED),
        ("SELECT * FROM eval('SELECT 1')", ACCESS_DENIED),
        ("SELECT * FROM cluster('default', system.one)", ACCESS_DENIED),
        ("SELECT * FROM loop(facts)", ACCESS_DENIED),
        ("SELECT hasColumnInTable('127.0.0.1:1', 'system', 'one', 'dummy')", ACCESS_DENIED),
        ("SELECT logTrace('x')", ACCESS_DENIED),
        ("SELECT * FROM (SELECT * FROM view(SELECT * FROM file('/etc/passwd', 'LineAsString')))", ACCESS_DENIED),
        ("EXPLAIN SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", ACCESS_DENIED),
    ],
)
def test_the_analyst_cannot_write_or_leave_the_database(
    server: EmbeddedClickHouse, query: str, code: int | None
) -> None:
    with pytest.raises(DatabaseError) as refused:
        server.client("analyst").raw_query(query)
    assert code is None or refused.value.code == code
    assert "root:" not in str(refused.value)
    assert server.client().query("SELECT count(), max(id) FROM facts").first_row == (10, 9)


def test_the_analyst_cannot_name_a_forbidden_function_in_a_parameter(server: EmbeddedClickHouse) -> None:
    with pytest.raises(DatabaseError) as refused:
        server.client("analyst").query("SELECT arrayMap({f:Identifier}, ['/etc/passwd'])", {"f": "file"})
    assert refused.value.code == ACCESS_DENIED


def test_every_function_of_the_engine_was_looked_at(server: EmbeddedClickHouse) -> None:
    """After an upgrade: whatever is named here computes from its arguments and goes into reviewed_functions.txt, or it
    stays forbidden and goes into the set below."""
    scalar = server.client().query("SELECT name FROM system.functions WHERE NOT is_aggregate AND origin = 'System'")
    table = server.client().query("SELECT name FROM system.table_functions")
    forbidden = Forbidden.of((name for (name,) in scalar.result_rows), (name for (name,) in table.result_rows))
    artificial = {f"ai{name}" for name in ("classify", "embed", "extract", "filter", "generate", "redact")}
    assert forbidden.functions == artificial | {
        *("aisimilarity", "aitranslate", "file", "hascolumnintable"),
        *("addresstoline", "addresstolinewithinlines", "addresstosymbol", "logtrace", "showcertificate"),
        *("evalmlmethod", "generateserialid", "fuzzquery", "sleep", "sleepeachrow"),
    }
    assert {"eval", "url", "executable", "remote", "cluster", "python"} <= forbidden.table_functions


def test_a_query_that_is_cancelled_while_it_is_checked_is_told_as_cancelled() -> None:
    counts = ("storage_rows_read", "storage_bytes_read", "rows_read", "rows_written", "bytes_written", "elapsed")
    no_rows = SimpleNamespace(bytes=lambda: b"", **dict.fromkeys(counts, lambda: 0))
    connection = SimpleNamespace(query=lambda *_, **__: no_rows)
    with pytest.raises(ClickHouseError, match="QUERY_WAS_CANCELLED"):
        check_read_only("SELECT 1", {}, Handle(connection).canonical, Forbidden(frozenset(), frozenset()))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("readonly", "0"), ("readonly", "2"), ("max_memory_usage", "0"), ("allow_introspection_functions", "1")],
)
def test_the_analyst_cannot_change_settings_by_url(server: EmbeddedClickHouse, setting: str, value: str) -> None:
    user = {"user": "analyst", "password": server.settings.analyst_password}
    query = urlencode({**user, setting: value, "query": "SELECT count() FROM facts"})
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{server.url}/?{query}", timeout=DEADLINE)
    with refused.value as answer:
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(READONLY)


def test_neither_user_can_write_result_files(server: EmbeddedClickHouse, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    for statement in ("SELECT 1", "SHOW TABLES"):
        with pytest.raises(DatabaseError) as refused:
            server.client().raw_query(f"{statement} INTO OUTFILE '{path}'")
        assert refused.value.code == 358
    assert not path.exists()


# --- the analyst beside the sink --------------------------------------------------------------------------

ENDLESS = "SELECT count() FROM numbers(1000000000) AS a CROSS JOIN numbers(100) AS b WHERE a.number % 7 = b.number"
GREEDY = "SELECT groupArray(number) FROM numbers(1000000000)"


@contextmanager
def analysts(server: EmbeddedClickHouse, queries: Sequence[str]) -> Iterator[list[str]]:
    """One client for each query, which asks again and again; yields the errors they get."""
    stopping, refused = threading.Event(), list[str]()

    def ask(client: Client, query: str) -> None:
        while not stopping.is_set():
            try:
                client.raw_query(f"{query} FORMAT Null")
            except DatabaseError as error:
                refused.append(str(error))

    own = server.client()
    theirs = "query LIKE '%numbers(1000000000)%' AND query NOT LIKE '%LIKE%'"
    at_work = f"SELECT count() FROM system.processes WHERE {theirs}"
    # A new client asks for the server's version, and would have to wait for its turn.
    clients = [server.client("analyst") for _ in queries]
    with ThreadPoolExecutor(len(queries)) as threads:
        asking = [threads.submit(ask, client, query) for client, query in zip(clients, queries, strict=True)]
        try:
            until(lambda: own.command(at_work) == ANALYST_RUNNING, "they are at work")
            yield refused
        finally:
            stopping.set()

            def all_have_stopped() -> bool:
                own.command(f"KILL QUERY WHERE {theirs} ASYNC")
                return all(future.done() for future in asking)

            until(all_have_stopped, "they have stopped")
        for future in asking:
            future.result()


@pytest.fixture
def filled(server: EmbeddedClickHouse) -> Iterator[Callable[[int], None]]:
    """Inserts as the sink's, so many of them."""
    client = server.client()
    client.command("CREATE TABLE filled (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
    rows = pa.table({"id": pa.array(range(20_000), pa.uint64()), "name": [f"name-{i}" for i in range(20_000)]})

    def insert(count: int) -> None:
        for _ in range(count):
            client.insert_arrow("filled", rows, settings=SINK_SETTINGS)

    yield insert
    client.command("DROP TABLE filled SYNC")


def test_heavy_queries_of_analysts_run_few_at_a_time_and_leave_the_sink_its_memory(
    server: EmbeddedClickHouse, filled: Callable[[int], None]
) -> None:
    own = server.client()
    with analysts(server, [ENDLESS, GREEDY, ENDLESS, GREEDY]) as refused:
        for _ in range(10):
            filled(2)
            running = own.query("SELECT memory_usage FROM system.processes WHERE query LIKE '%numbers(1000000000)%'")
            assert len(running.result_rows) <= ANALYST_RUNNING + 1  # and this question
            assert sum(memory for (memory,) in running.result_rows) < ANALYST_RUNNING * ANALYST_MEMORY + 44 * MIB
        assert own.command("SELECT count() FROM filled") == 20 * 20_000
    expected = ("memory limit exceeded", "QUERY_WAS_CANCELLED", "TOO_MANY_SIMULTANEOUS_QUERIES", "TIMEOUT_EXCEEDED")
    assert [text for text in refused if not any(reason in text for reason in expected)] == []


def test_the_queries_of_analysts_have_limits_of_time_memory_threads_and_disk(server: EmbeddedClickHouse) -> None:
    limits = server.client("analyst").query(
        "SELECT getSetting('max_execution_time'), getSetting('max_threads'), getSetting('max_memory_usage'), "
        "getSetting('max_temporary_data_on_disk_size_for_query')"
    )
    assert limits.first_row == (60, 1, 128 * MIB, 1024 * MIB)


def test_the_sink_keeps_half_of_its_rate_beside_endless_queries(
    server: EmbeddedClickHouse, filled: Callable[[int], None], campaign: bool
) -> None:
    """The median of pairs, because others use the machine too; the short form only shows that the sink goes on."""
    own, slower = server.client(), []
    for _ in range(7 if campaign else 1):
        took = []
        for queries in ([], [ENDLESS] * 6):
            own.command("TRUNCATE TABLE filled")
            with analysts(server, queries) if queries else nullcontext():
                started = time.monotonic()
                filled(40 if campaign else 10)
                took.append(time.monotonic() - started)
        slower.append(took[1] / took[0])
    assert statistics.median(slower) < (2 if campaign else 10)
