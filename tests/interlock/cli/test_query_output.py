"""`interlock sql` and `interlock timeline` in their forms, with ClickHouse's answers given."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from interlock.cli.app import app
from interlock.errors import UsageError
from interlock.platform import connection
from interlock.sinks import queries as database

RUNNER = CliRunner()
COLUMNS = ("name", "share", "reasons")
ROWS = [("a, b", 0.7444289738910631, ["large"]), ("[red]", None, [])]
EVENT = {
    "at": datetime(2026, 11, 28, 11, 0, 0, 123_456, UTC),
    "event": "received",
    "detail": "confidence 0.7444289738910631",
    "kafka_topic": "decisions",
    "kafka_partition": 3,
    "kafka_offset": 12,
}


class _Platform:
    keys_to_read = None

    def clickhouse(self, *, analyst: bool) -> None:
        assert analyst


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "connect", lambda data_dir: _Platform())  # noqa: ARG005
    monkeypatch.setattr(database, "select", lambda client, query: (COLUMNS, ROWS))  # noqa: ARG005
    monkeypatch.setattr(database, "decision_timeline", lambda client, decision_id, keys: [EVENT])  # noqa: ARG005


def _output(*arguments: str) -> str:
    return str(RUNNER.invoke(app, list(arguments), catch_exceptions=False).output)


def test_csv_has_a_line_of_names_and_every_digit() -> None:
    rows = list(csv.reader(io.StringIO(_output("sql", "SELECT 1", "--csv"))))
    assert rows == [list(COLUMNS), ["a, b", "0.7444289738910631", "['large']"], ["[red]", "", "[]"]]


def test_vertical_is_a_block_of_lines_for_each_row() -> None:
    lines = _output("sql", "SELECT 1", "--vertical").splitlines()
    assert lines == [
        "name     a, b",
        "share    0.7444",
        "reasons  ['large']",
        "",
        "name     [red]",
        "share    –",
        "reasons  []",
    ]


def test_json_is_one_document() -> None:
    assert json.loads(_output("sql", "SELECT 1", "--json"))[0]["share"] == 0.7444289738910631


def test_only_one_form_can_be_chosen() -> None:
    with pytest.raises(UsageError, match="choose one"):
        _output("sql", "SELECT 1", "--json", "--csv")


@pytest.mark.parametrize(("options", "shown"), [([], False), (["--wide"], True)])
def test_the_timeline_shows_places_in_kafka_only_where_they_are_asked_for(options: list[str], shown: bool) -> None:
    output = _output("timeline", "d", *options)
    assert ("kafka_topic" in output) is shown
    assert ("0.7444289738910631" in output) is shown
    assert "2026-11-28 11:00:00.123" in output


def test_a_file_of_json_has_all_of_the_timeline() -> None:
    facts: list[dict[str, Any]] = json.loads(_output("timeline", "d", "--json"))
    assert facts[0].keys() == EVENT.keys()
