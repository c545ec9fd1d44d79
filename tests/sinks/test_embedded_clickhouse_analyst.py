"""The read-only analyst of the embedded server: what it may run, and what it leaves to the sink."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
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
from xml.etree import ElementTree

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings, engine_config
from interlock.sinks.embedded_clickhouse.access import Forbidden, check_read_only, reviewed_settings
from interlock.sinks.embedded_clickhouse.engine import Handle
from interlock.sinks.embedded_clickhouse.engine_config import (
    ANALYST_FIXED,
    ANALYST_LIMITS,
    ANALYST_MEMORY,
    ANALYST_RUNNING,
)
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


READONLY, ACCESS_DENIED, CONSTRAINT_VIOLATION, UNKNOWN_TABLE = 164, 497, 452, 60


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
        ("SELECT 1 SETTINGS max_memory_usage = 0", CONSTRAINT_VIOLATION),
        ("SELECT 1 SETTINGS profile = 'default'", READONLY),
        ("SELECT * FROM (SELECT 1 SETTINGS profile = 'default')", READONLY),
        ("SET profile = 'default'", READONLY),
        ("SET DEFAULT ROLE writer TO default", READONLY),
        ("SET max_threads = 1, dialect = 'prql'", READONLY),
        ("SELECT 1 SETTINGS log_comment = 'x'", READONLY),
        ("SELECT 1 SETTINGS max_threads = 1, `log_comment` = 'x'", READONLY),
        ("SELECT * FROM facts SETTINGS additional_table_filters = {'facts': 'file(\\'/etc/passwd\\')'}", READONLY),
        ("SELECT * FROM (SELECT 1 FROM facts SETTINGS additional_result_filter = 'file(\\'/etc/passwd\\')')", READONLY),
        ("SELECT 1 UNION ALL SELECT 2 SETTINGS format_schema = '/etc/passwd'", READONLY),
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
        ("SELECT * FROM `/etc/passwd`", UNKNOWN_TABLE),
        ("SELECT * FROM `/etc/passwd` SETTINGS enable_analyzer = 0", None),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString') SETTINGS enable_analyzer = 0", ACCESS_DENIED),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String') SETTINGS enable_analyzer = 0", ACCESS_DENIED),
        ("SELECT 1 SETTINGS {setting:Identifier} = 1", 62),
        ("SELECT * FROM merge('default', 'facts') SETTINGS max_untracked_memory = 1", READONLY),
        ("EXPLAIN SELECT 1 SETTINGS log_comment = 'x'", READONLY),
        ("SHOW TABLES SETTINGS log_comment = 'x'", None),
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
    ("setting", "value", "code"),
    [
        ("readonly", "0", READONLY),
        ("readonly", "1", READONLY),
        ("max_memory_usage", "0", CONSTRAINT_VIOLATION),
        ("max_memory_usage", "1000000000", CONSTRAINT_VIOLATION),
        ("max_execution_time", "0", CONSTRAINT_VIOLATION),
        ("max_execution_time", "66", CONSTRAINT_VIOLATION),
        ("max_threads", "0", CONSTRAINT_VIOLATION),
        ("max_threads", "auto", CONSTRAINT_VIOLATION),
        ("max_temporary_data_on_disk_size_for_query", "0", CONSTRAINT_VIOLATION),
        ("max_untracked_memory", "1000000000", READONLY),
        ("max_memory_usage_for_user", "1", READONLY),
        ("use_query_cache", "1", READONLY),
        ("allow_introspection_functions", "1", READONLY),
        ("additional_result_filter", "file('/etc/passwd') != ''", READONLY),
        ("profile", "default", READONLY),
        ("no_such_setting", "1", 115),
    ],
)
def test_the_analyst_cannot_lift_limits_by_url(server: EmbeddedClickHouse, setting: str, value: str, code: int) -> None:
    user = {"user": "analyst", "password": server.settings.analyst_password}
    query = urlencode({**user, setting: value, "query": "SELECT count() FROM facts"})
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{server.url}/?{query}", timeout=DEADLINE)
    with refused.value as answer:
        assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_execution_time", "1"),
        ("max_execution_time", "65"),  # Grafana's minute, and the five seconds that its driver adds
        ("max_memory_usage", "50000000"),
        ("max_threads", "1"),
        ("max_result_rows", "1000"),
        ("max_rows_to_read", "1000"),
        ("readonly", "2"),
        ("output_format_json_quote_64bit_integers", "0"),
        ("session_timezone", "Europe/Berlin"),
        ("join_use_nulls", "1"),
    ],
)
def test_the_analyst_may_tighten_limits_and_shape_answers_by_url_and_in_the_query(
    server: EmbeddedClickHouse, setting: str, value: str
) -> None:
    analyst = server.client("analyst")
    query = f"SELECT toString(getSetting('{setting}'))"
    in_url = urlencode(
        {"user": "analyst", "password": server.settings.analyst_password, setting: value, "query": query}
    )
    with urlopen(f"{server.url}/?{in_url}", timeout=DEADLINE) as answer:
        (by_url,) = answer.read().decode().split()
    assert {"0": "false", "1": "true"}.get(value, value) in {by_url, {"0": "false", "1": "true"}.get(by_url)}
    if setting != "readonly":
        assert analyst.raw_query(f"{query} SETTINGS {setting} = '{value}'").decode().strip() == by_url


def test_a_tightened_limit_is_kept(server: EmbeddedClickHouse) -> None:
    analyst = server.client("analyst")
    with pytest.raises(DatabaseError) as refused:
        analyst.query("SELECT id FROM facts SETTINGS max_result_rows = 3")
    assert refused.value.code == 396
    stopped = analyst.query(
        "SELECT number FROM numbers(100000)",
        settings={"max_result_rows": 10, "result_overflow_mode": "break", "max_block_size": 10},
    )
    assert len(stopped.result_rows) == 10
    with pytest.raises(DatabaseError) as refused:
        analyst.query("SELECT sum(id) FROM facts SETTINGS max_rows_to_read = 3")
    assert refused.value.code == 158


def test_a_limit_in_a_subquery_cannot_be_lifted_either(server: EmbeddedClickHouse) -> None:
    inner = "SELECT getSetting('max_execution_time') AS t SETTINGS max_execution_time = 0"
    assert server.client("analyst").query(f"SELECT t FROM ({inner})").first_row == (1,)


def test_a_column_called_settings_is_no_clause(server: EmbeddedClickHouse) -> None:
    inner = "SELECT 1 AS settings, 'x' AS profile"
    query = f"SELECT settings, profile = 'x' FROM ({inner}) WHERE settings = 1 AND profile = 'x'"
    assert server.client("analyst").query(query).first_row == (1, 1)
    inner = "SELECT 'x' AS dialect"
    union = f"SELECT 1 AS a, 2 AS b SETTINGS max_threads = 1 UNION ALL SELECT 1, dialect = 'x' FROM ({inner})"
    assert len(server.client("analyst").query(union).result_rows) == 2


def test_every_reviewed_setting_is_one_of_the_engine(server: EmbeddedClickHouse) -> None:
    known = {name for (name,) in server.client().query("SELECT name FROM system.settings").result_rows}
    assert reviewed_settings() - known == set()
    assert reviewed_settings() & set(ANALYST_FIXED) == {"readonly"}
    assert set(ANALYST_LIMITS) <= reviewed_settings()


def test_a_server_has_the_same_constraints_for_the_analyst_as_the_embedded_engine() -> None:
    """deploy/clickhouse/analyst.xml against the profile of the engine, by name and kind."""

    def constraints(text: str) -> dict[str, list[str]]:
        profile = ElementTree.fromstring(text).find("./profiles/analyst/constraints")
        assert profile is not None
        return {setting.tag: [kind.tag for kind in setting] for setting in profile}

    root = Path(__file__).parents[2]
    of_server = constraints((root / "deploy/clickhouse/analyst.xml").read_text())
    assert of_server == constraints(engine_config.users())
    assert set(of_server) == {*ANALYST_LIMITS, *ANALYST_FIXED}


ENGINE_WITH_PROFILE = """
import json, sys
import chdb

address, values, statements = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
root = chdb.connect(address)
connection = chdb.connect(address)
# A server gives its users the values of their profile when they come in; the embedded build only heeds its constraints.
for name, value in values:
    connection.query(f"SET {name} = {value}")
connection.query("SET profile = 'analyst'")
codes = []
for statement in statements:
    try:
        connection.query(statement)
        codes.append(0)
    except RuntimeError as error:
        codes.append(int(str(error).split("Code: ")[1].split(".")[0]))
print(json.dumps(codes))
"""


def test_the_profile_of_a_server_lets_clients_tighten_limits_and_not_lift_them(tmp_path: Path) -> None:
    """deploy/clickhouse/analyst.xml as the engine takes it, which is the one of a server of that version."""
    profiles = ElementTree.parse(Path(__file__).parents[2] / "deploy/clickhouse/analyst.xml").find("./profiles")
    assert profiles is not None
    values = [[one.tag, one.text] for one in profiles[0] if one.tag not in {"constraints", "readonly"}]
    users = "<default><profile>default</profile><quota>default</quota><password></password>"
    users += "<networks><ip>::/0</ip></networks><grants><query>GRANT SELECT ON *.*</query></grants></default>"
    ElementTree.SubElement(profiles, "default")
    text = ElementTree.tostring(profiles, encoding="unicode")
    (tmp_path / "users.xml").write_text(
        f"<clickhouse>{text}<quotas><default/></quotas><users>{users}</users></clickhouse>"
    )
    (tmp_path / "config.xml").write_text(
        f"<clickhouse><users_config>{tmp_path / 'users.xml'}</users_config></clickhouse>"
    )
    expected = {
        "SET max_execution_time = 5": 0,
        "SELECT 1 SETTINGS max_memory_usage = 1000000": 0,
        "SET max_result_rows = 10, result_overflow_mode = 'break'": 0,
        "SET max_threads = 1": 0,
        "SET max_execution_time = 0": CONSTRAINT_VIOLATION,
        "SET max_execution_time = 66": CONSTRAINT_VIOLATION,
        "SELECT 1 SETTINGS max_memory_usage = 0": CONSTRAINT_VIOLATION,
        "SET max_threads = 3": CONSTRAINT_VIOLATION,
        "SET max_temporary_data_on_disk_size_for_query = 0": CONSTRAINT_VIOLATION,
        "SET max_untracked_memory = 1000000000": CONSTRAINT_VIOLATION,
        "SET max_memory_usage_for_user = 1": CONSTRAINT_VIOLATION,
        "SET readonly = 0": READONLY,
    }
    address = f"{tmp_path / 'engine'}?config-file={tmp_path / 'config.xml'}"
    given = json.dumps([*values, ["readonly", "2"]]), json.dumps([*expected])
    told = subprocess.run(
        [sys.executable, "-c", ENGINE_WITH_PROFILE, address, *given],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert dict(zip(expected, json.loads(told.stdout), strict=True)) == expected


def test_every_limit_of_the_analyst_on_a_server_is_its_own_highest_value() -> None:
    profile = ElementTree.parse(Path(__file__).parents[2] / "deploy/clickhouse/analyst.xml").find("./profiles/analyst")
    assert profile is not None
    for name in ANALYST_LIMITS:
        assert profile.findtext(name) == profile.findtext(f"constraints/{name}/max"), name
        assert profile.findtext(f"constraints/{name}/min") == "1", name
    assert profile.findtext("readonly") == "2"
    assert profile.findtext("max_execution_time") == ANALYST_LIMITS["max_execution_time"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT * FROM fact", "identifier fact: SHOW TABLES lists all"),
        ("SELECT 1 FROM facts AS a JOIN default.`no such` AS b ON 1", "identifier default.`no such`:"),
        ("WITH x AS (SELECT 1) SELECT * FROM facts WHERE id IN (SELECT id FROM gone)", "identifier gone:"),
        ("DESCRIBE TABLE fact", "identifier fact:"),
        ("SELECT * FROM system.query_log", "identifier 'system.query_log'"),
    ],
)
def test_a_table_that_does_not_exist_is_named(server: EmbeddedClickHouse, query: str, named: str) -> None:
    with pytest.raises(DatabaseError, match=named) as refused:
        server.client("analyst").raw_query(query)
    assert refused.value.code == UNKNOWN_TABLE


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
    assert limits.first_row == (65, 1, 128 * MIB, 1024 * MIB)


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
