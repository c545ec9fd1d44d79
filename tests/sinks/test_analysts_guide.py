"""docs/analysts.md and its notebook: every question is asked again, and every answer compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from clickhouse_connect.driver.client import Client

from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse
from interlock.sinks.embedded_clickhouse.engine_config import ANALYST_LIMITS
from interlock.sinks.embedded_clickhouse.running import MAX_RUNNING
from tests.sinks import lending_days
from tests.sinks.migrated import Migrated
from tests.sinks.sink_world import World

pytestmark = pytest.mark.warehouse

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "analysts.md").read_text()
NOTEBOOK: dict[str, Any] = json.loads((ROOT / "docs" / "analysts.ipynb").read_text())
# Heading, SQL, and the table behind it.
QUESTIONS = re.findall(r"^### (\d+\. .*?)\n.*?```sql\n(.*?)```\n\n((?:\|[^\n]*\n)+)", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def database(warehouse: EmbeddedClickHouse, shared: Client) -> Iterator[str]:
    """Three days of loan applications in a database of their own."""
    name = f"{shared.database}_lending"
    with warehouse.client() as owner:
        owner.command(f"CREATE DATABASE {name}")
        with warehouse.client(database=name) as client:
            Migrated(shared).fill(client)
            lending_days.fill(World(lending_days.DOMAIN, client, partitions=1))
        yield name
        owner.command(f"DROP DATABASE {name} SYNC")


def test_there_are_thirteen_questions() -> None:
    assert [heading.split(".")[0] for heading, _, _ in QUESTIONS] == [str(number) for number in range(1, 14)]


@pytest.mark.parametrize(("sql", "table"), [question[1:] for question in QUESTIONS], ids=[q[0] for q in QUESTIONS])
def test_the_answer_in_the_guide_is_the_one_that_the_analyst_gets(
    warehouse: EmbeddedClickHouse, database: str, sql: str, table: str
) -> None:
    analyst = warehouse.client("analyst", database=database)
    assert analyst.raw_query(f"{sql} FORMAT Markdown").decode() == table


def test_the_notebook_prints_what_it_shows(
    warehouse: EmbeddedClickHouse,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)  # no local instance
    monkeypatch.setenv("INTERLOCK_CLICKHOUSE__URL", warehouse.url)
    monkeypatch.setenv("INTERLOCK_CLICKHOUSE__ANALYST_PASSWORD", warehouse.settings.analyst_password)
    monkeypatch.setenv("INTERLOCK_CLICKHOUSE__DATABASE", database)
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    assert sum(bool(cell["outputs"]) for cell in cells) >= 4
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), "docs/analysts.ipynb", "exec"), names)
        shown = "".join(text for output in cell["outputs"] for text in output["text"])
        assert capsys.readouterr().out == shown
    names["client"].close()


def test_the_limits_in_the_guide_are_those_of_the_engine_and_of_the_server() -> None:
    profile = ElementTree.parse(ROOT / "deploy" / "clickhouse" / "analyst.xml").find("./profiles/analyst")
    assert profile is not None
    rows = dict(re.findall(r"^\| `(max_\w+)` \| (.*?) \|$", GUIDE, re.MULTILINE))
    assert set(rows) == set(ANALYST_LIMITS)
    units = {"s": 1, "MiB": 1 << 20, "GiB": 1 << 30, "GB": 10**9}
    for name, row in rows.items():
        embedded, server = (
            int(number) * units.get(unit[0] if unit else "s", 1)
            for number, *unit in (side.split() for side in row.split(" | "))
        )
        assert (str(embedded), str(server)) == (ANALYST_LIMITS[name], profile.findtext(name)), name
    assert f"{MAX_RUNNING} in all | {profile.findtext('max_concurrent_queries_for_user')} |" in GUIDE


def test_every_table_that_the_guide_names_exists(warehouse: EmbeddedClickHouse, database: str) -> None:
    found = warehouse.client("analyst", database=database).query(
        "SELECT name FROM system.tables WHERE database = currentDatabase()"
    )
    tables = {name for (name,) in found.result_rows}
    named = set(re.findall(r"[Vv]iews? `(\w+)`", GUIDE)) | {"routed_decisions", "tasks", "tasks_now", "outcomes"}
    assert named <= tables
