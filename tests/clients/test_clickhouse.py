"""Drivers of ClickHouse in other languages, at their defaults, as an analyst of the embedded server.

What they send that is out of the ordinary runs in `tests/sinks/test_embedded_clickhouse_drivers.py` always.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from tests.clients import toolchain

pytestmark = pytest.mark.clients

SOURCES = Path(__file__).parent / "clickhouse"

TABLE = """
CREATE TABLE facts (
    n UInt64, name String, at DateTime64(6, 'UTC'), tags Map(String, String), scores Array(Float64),
    amount Decimal(18, 2), maybe Nullable(String), kind LowCardinality(String)
) ENGINE = MergeTree ORDER BY n COMMENT 'What is known'
"""
ROW = "(7, 'loan-ä', '2026-01-02 03:04:05.678901', {'age': '41'}, [0.5, -2], 1200.50, NULL, 'auto')"
# Maven begins and ends with it, whatever it is told about colours.
MAVEN_COLOUR = "\x1b[0m"
SUM_OF_NUMBERS = sum(range(200_000))
# Versions that go together: each is the newest that can be built from PyPI alone.
PYTHON = ("dbt-clickhouse==1.10.3", "dbt-core==1.10.23", "clickhouse-connect==1.12.0", "clickhouse-sqlalchemy==0.3.2")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as running:
        running.client().command(TABLE)
        running.client().command(f"INSERT INTO facts VALUES {ROW}")
        yield running


@pytest.fixture
def arguments(server: EmbeddedClickHouse) -> Iterator[list[str]]:
    """Address, user and password; behind the program, nothing of it may go on."""
    yield [f"{server.host}:{server.port}", "analyst", server.settings.analyst_password]
    running = "SELECT count() FROM system.processes WHERE query LIKE '%system.numbers%' AND query NOT LIKE '%LIKE%'"
    deadline = time.monotonic() + 30
    while server.client().command(running):
        assert time.monotonic() < deadline, "a cancelled query goes on"


def test_go_reads_as_an_analyst_and_as_grafana_does(arguments: list[str]) -> None:
    toolchain.need("go")
    directory = toolchain.copied(SOURCES / "go")
    own = [
        "7|loan-ä|2026-01-02T03:04:05.678901|41|[0.5 -2]|1200.50|true|auto",
        f"{SUM_OF_NUMBERS} 1088890",  # digits of all the numbers
        "O'Brien",
        "true",  # the table that does not exist is error 60
        "true",  # more rows than asked for are error 396
        "true",  # the deadline passed
    ]
    grafana = ["2026-01-02T03:04:00Z 1", "facts", "false"]
    assert toolchain.run(["go", "run", ".", *arguments], directory).splitlines() == own * 3 + grafana


def test_java_reads_as_an_analyst_and_as_dbeaver_does(arguments: list[str]) -> None:
    toolchain.need("java", "mvn")
    command = ["mvn", "-q", "-B", "compile", "exec:java", f"-Dexec.args={' '.join(arguments)}"]
    printed = toolchain.run(command, toolchain.copied(SOURCES / "java")).replace(MAVEN_COLOUR, "")
    assert printed.splitlines() == [
        "ClickHouse",
        "true",  # it sees the databases
        "facts What is known",
        "n name at tags scores amount maybe kind",
        "7|loan-ä|2026-01-02T03:04:05.678901|41|[0.5, -2.0]|1200.50|true|auto",
        str(SUM_OF_NUMBERS),
        "O'Brien",
        "60",
        "396",
        "5",  # setMaxRows
        "394",  # Statement.cancel
        "true",
    ]


def test_node_reads_as_an_analyst(arguments: list[str]) -> None:
    toolchain.need("node", "npm")
    directory = toolchain.copied(SOURCES / "node")
    toolchain.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], directory)
    address, *account = arguments
    assert toolchain.run(["node", "main.mjs", f"http://{address}", *account], directory).splitlines() == [
        "true",
        "7|loan-ä|2026-01-02 03:04:05.678901|41|0.5,-2|1200.5|true|auto",
        str(SUM_OF_NUMBERS),
        "O'Brien",
        "60",
        "396",
        "452",  # a limit cannot be lifted
        "The user aborted a request.",
    ]


@pytest.fixture(scope="module")
def python() -> Path:
    """An environment with other people's packages, kept between runs."""
    home = toolchain.cache() / f"clickhouse-python-{'-'.join(PYTHON).replace('==', '-')}"
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "--python", sys.executable, home], check=True)
    subprocess.run([sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, *PYTHON], check=True)
    return python


def test_sqlalchemy_reads_as_an_analyst_by_both_of_its_dialects_for_http(
    server: EmbeddedClickHouse, python: Path
) -> None:
    command = [str(python), "reading.py", server.host, str(server.port), "analyst", server.settings.analyst_password]
    printed = toolchain.run(command, SOURCES / "python").splitlines()
    one = ["(7, 'loan-ä', '1200.5', None, 'auto')", "n name at tags scores amount maybe kind", "loan-ä", "True"]
    assert printed == one * 2


def test_dbt_makes_tables_in_a_database_of_its_own_and_shows_answers_as_the_analyst(
    server: EmbeddedClickHouse, python: Path, tmp_path: Path
) -> None:
    environment = {
        "CLICKHOUSE_HOST": server.host,
        "CLICKHOUSE_PORT": str(server.port),
        "CLICKHOUSE_PASSWORD": server.settings.writer_password,
        "CLICKHOUSE_ANALYST_PASSWORD": server.settings.analyst_password,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_PROFILES_DIR": ".",
        "DBT_TARGET_PATH": str(tmp_path / "target"),
        "DBT_LOG_PATH": str(tmp_path / "logs"),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    toolchain.run(["dbt", "run"], SOURCES / "python" / "dbt", environment)
    assert server.client().command("SELECT facts FROM reports.totals") == 1
    query = "select kind, facts from reports.kinds"
    show = ["dbt", "show", "--target", "analyst", "--output", "json", "--inline", query]
    assert '"facts": 1' in toolchain.run(show, SOURCES / "python" / "dbt", environment)
