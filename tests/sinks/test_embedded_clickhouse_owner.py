"""What the embedded server adds to ClickHouse's interface: two users, one owner, crashes and restarts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerDiedError, ServerSettings

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.warehouse

DEADLINE = 30.0
MIB = 1024 * 1024


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


# --- memory ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has mapped")
def test_a_server_loads_no_library_for_results_that_nobody_asks_it_for(server: EmbeddedClickHouse) -> None:
    libraries = Path(f"/proc/{server.pid}/maps").read_text()
    assert "_chdb" in libraries
    for unused in ("libarrow", "numpy", "clickhouse_connect"):
        assert unused not in libraries


def test_the_symbols_of_all_libraries_are_first_read_when_an_analyst_asks(tmp_path: Path) -> None:
    mapped = "SELECT value FROM system.metrics WHERE metric = 'MMappedFiles'"
    with EmbeddedClickHouse(ServerSettings.private(tmp_path)) as fresh:
        assert fresh.client().query(mapped).result_rows == [(0,)]
        assert fresh.client("analyst").query("SELECT 1").result_rows == [(1,)]
        assert fresh.client().query(mapped).result_rows != [(0,)]  # why they are not read before


@pytest.mark.parametrize("text", [b"SELECT 1" + b" " * (256 * MIB), b"SELECT " + b"(" * MIB])
def test_a_query_that_is_small_on_the_wire_and_large_in_memory_is_refused(
    server: EmbeddedClickHouse, text: bytes
) -> None:
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    headers = {"Content-Encoding": "zstd", "X-ClickHouse-User": "analyst"}
    headers["X-ClickHouse-Key"] = server.settings.analyst_password
    bomb = zstd.compress(text)
    assert len(bomb) < 40_000
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(server.url, bomb, headers), timeout=DEADLINE)
    with refused.value as answer:
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (413, "309")
    assert process.memory_info().rss - before < 100 * MIB


def test_a_query_beyond_the_memory_limit_fails_alone(server: EmbeddedClickHouse) -> None:
    with pytest.raises(DatabaseError) as refused:
        server.client().raw_query("SELECT groupArray(number) FROM numbers(100000000) FORMAT Null")
    assert refused.value.code == 241
    assert server.client().command("SELECT 1") == 1


def test_a_result_larger_than_memory_flows_through(server: EmbeddedClickHouse) -> None:
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    total, peak = 0, 0
    with server.client().raw_stream("SELECT number FROM numbers(100000000)", fmt="Native") as stream:
        while part := stream.read(8 * MIB):
            total += len(part)
            peak = max(peak, process.memory_info().rss)
    assert total > 750 * MIB
    assert peak - before < 150 * MIB


# --- one owner ------------------------------------------------------------------------------------------


def test_a_second_server_on_the_same_data_is_refused_and_told_who_has_them(server: EmbeddedClickHouse) -> None:
    second = EmbeddedClickHouse(replace(server.settings, port=0))
    with pytest.raises(ServerDiedError, match=rf"already in use by process {server.pid}\b"):
        second.start()
    assert second.pid is None
    assert server.client().command("SELECT count() FROM facts") == 10


def test_a_taken_port_is_named_and_something_to_do_about_it(server: EmbeddedClickHouse, tmp_path: Path) -> None:
    other = EmbeddedClickHouse(replace(ServerSettings.private(tmp_path), port=server.port))
    with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{server.port}: .* choose another port"):
        other.start()


def test_passwords_are_in_neither_arguments_nor_log(server: EmbeddedClickHouse) -> None:
    command = " ".join(psutil.Process(server.pid).cmdline())
    for secret in (server.settings.writer_password, server.settings.analyst_password):
        assert secret not in command
        assert secret not in server.log_path.read_text()
        assert secret not in repr(server.settings)


def test_the_time_zone_is_utc_whatever_the_machine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with EmbeddedClickHouse(ServerSettings.private(tmp_path)) as server:
        assert server.client().command("SELECT toString(toDateTime(0))") == "1970-01-01 00:00:00"


# --- stopping, dying, starting again ----------------------------------------------------------------------


def test_an_orderly_stop_lets_running_requests_finish_and_keeps_the_data(tmp_path: Path) -> None:
    server = EmbeddedClickHouse(ServerSettings.private(tmp_path))
    server.start()
    client, observer, port = server.client(), server.client(), server.port
    client.command("CREATE TABLE kept (id UInt8) ENGINE = MergeTree ORDER BY id")
    client.command("INSERT INTO kept VALUES (1)")
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(client.command, "SELECT sum(cityHash64(number, 'x')) > 0 FROM numbers(60000000)")
        # A client of its own for every look would take longer than the query on a busy machine.
        until(lambda: observer.command("SELECT count() FROM system.processes") != 1, "it runs")
        server.stop()
        assert slow.result(DEADLINE) == 1
    assert "ClickHouse stopped" in server.log_path.read_text()
    with pytest.raises(OperationalError):
        client.command("SELECT 1")
    server.restart()
    assert (server.port, client.command("SELECT id FROM kept")) == (port, 1)
    server.stop()


def test_the_server_does_not_outlive_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings\n"
        "server = EmbeddedClickHouse(ServerSettings.private(Path(sys.argv[1]))); server.start()\n"
        "print(server.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    parent = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False)
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    pid = int(parent.stdout)
    until(lambda: not psutil.pid_exists(pid), "the server ends")
    assert "ClickHouse stopped" in (tmp_path / "server.log").read_text()


def test_missing_passwords_are_asked_for_by_name(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if "PASSWORD" not in key}
    command = [sys.executable, "-m", "interlock.sinks.embedded_clickhouse", "--data-dir", str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "set INTERLOCK_CLICKHOUSE_WRITER_PASSWORD and INTERLOCK_CLICKHOUSE_ANALYST_PASSWORD" in done.stderr


ROWS = 20_000
SINK_SETTINGS = {"async_insert": "0", "deduplicate_blocks_in_dependent_materialized_views": "1"}


def _send(client: Client, chunk: int) -> None:
    first = chunk * ROWS
    rows = pa.table({"id": pa.array(range(first, first + ROWS), pa.uint64())})
    token = {"insert_deduplication_token": f"decisions-0-{first}-{first + ROWS - 1}"}
    client.insert_arrow("events", rows, settings=SINK_SETTINGS | token)


@pytest.mark.crash
def test_inserts_repeated_after_sigkill_lose_and_double_nothing(tmp_path: Path) -> None:
    """As the sink does it: after every crash the last two chunks are sent again under their tokens."""
    chances = random.Random(20)
    with EmbeddedClickHouse(ServerSettings.private(tmp_path)) as server:
        client = server.client()
        window = "SETTINGS non_replicated_deduplication_window = 1000"
        client.command(f"CREATE TABLE events (id UInt64) ENGINE = MergeTree ORDER BY id {window}")
        client.command(
            "CREATE TABLE sums (bucket UInt8, rows AggregateFunction(count), ids AggregateFunction(sum, UInt64)) "
            f"ENGINE = AggregatingMergeTree ORDER BY bucket {window}"
        )
        client.command(
            "CREATE MATERIALIZED VIEW to_sums TO sums AS SELECT toUInt8(id % 7) AS bucket, "
            "countState() AS rows, sumState(id) AS ids FROM events GROUP BY bucket"
        )
        chunks, kills = 20, set(chances.sample(range(1, 20), 5))
        for chunk in range(chunks):
            if chunk not in kills:
                _send(client, chunk)
                continue
            # An insert of this size takes some 20 ms: the kill falls before, into or behind its commit.
            assassin = threading.Timer(chances.uniform(0, 0.03), server.kill)
            assassin.start()
            try:
                _send(client, chunk)
            except OperationalError:
                pass  # the crash this test is about
            finally:
                assassin.join()
            server.start()
            _send(client, chunk - 1)
            _send(client, chunk)
        total = chunks * ROWS
        expected = (total, total, total * (total - 1) // 2)
        assert client.query("SELECT count(), uniqExact(id), sum(id) FROM events").first_row == expected
        assert client.query("SELECT countMerge(rows), sumMerge(ids) FROM sums").first_row == (
            total,
            expected[2],
        )
