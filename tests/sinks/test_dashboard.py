"""The dashboard that Grafana shows: every query runs. tests/deploy/test_alerts.py looks at its metrics."""

import json
import re
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "pipeline.json"
PANELS: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]


def targets(key: str) -> list[str]:
    return [target[key] for panel in PANELS for target in panel["targets"] if key in target]


def test_every_query_runs_on_the_tables(shared: Client) -> None:
    queries = targets("rawSql")
    assert len(queries) >= 8
    for query in queries:
        shared.query(re.sub(r"\$__timeFilter\((\w+)\)", r"\1 > now() - 3600", query))


def test_every_panel_says_which_population_it_speaks_of() -> None:
    assert all(len(panel["description"]) > 20 for panel in PANELS)


def test_a_figure_of_which_there_is_nothing_yet_says_so() -> None:
    for panel in PANELS:
        if panel["type"] == "stat":
            counts = panel["fieldConfig"]["defaults"]["unit"] == "short"
            assert panel["fieldConfig"]["defaults"]["noValue"] == ("0" if counts else "none yet")
