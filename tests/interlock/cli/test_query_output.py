"""`interlock sql` and `interlock timeline` in their forms, with ClickHouse's answers given."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from interlock.cli import queries as query_commands
from interlock.cli.app import app
from interlock.errors import InterlockError, UsageError
from interlock.platform import connection
from interlock.sinks import queries as database
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings

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


# --- a FORMAT of the query -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as server:
        yield server


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch, warehouse: EmbeddedClickHouse) -> None:
    """The commands ask an engine, as its analyst."""
    monkeypatch.undo()
    platform = SimpleNamespace(clickhouse=lambda *, analyst: warehouse.client("analyst" if analyst else None))
    monkeypatch.setattr(connection, "connect", lambda data_dir: platform)  # noqa: ARG005


@pytest.mark.warehouse
@pytest.mark.usefixtures("embedded")
class TestOnTheEngine:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("SELECT 1 AS a FORMAT JSONEachRow", '{"a":1}\n'),
            ("SELECT 1 AS a, 'x' AS b FORMAT Vertical", "Row 1:\n──────\na: 1\nb: x\n"),
            ("SELECT 1 AS a FORMAT CSVWithNames ; -- done\n", '"a"\n1\n'),
            ("SELECT 1 AS a FORMAT Markdown SETTINGS max_threads = 1", "| a |\n|-:|\n| 1 |\n"),
            ("DESCRIBE TABLE system.one FORMAT TSV", "dummy\tUInt8\t\t\t\t\t\n"),
            ("/* FORMAT CSV */ SELECT 'FORMAT CSV' AS a FORMAT TSV", "FORMAT CSV\n"),
        ],
    )
    def test_a_query_that_names_its_format_is_answered_in_it(self, query: str, expected: str) -> None:
        assert _output("sql", query) == expected

    @pytest.mark.parametrize("query", ["SELECT 1 AS a;", "SELECT 1 AS a -- why", "/* FORMAT X */ SELECT 1 AS a ;\n;"])
    def test_closing_semicolons_and_comments_do_no_harm(self, query: str) -> None:
        assert json.loads(_output("sql", query, "--json")) == [{"a": 1}]

    @pytest.mark.parametrize(
        ("named", "read"),
        [
            ("Parquet", lambda data: parquet.read_table(pa.BufferReader(data))),
            ("ArrowStream", lambda data: pa.ipc.open_stream(data).read_all()),
        ],
    )
    def test_files_of_columns_come_out_byte_by_byte(self, named: str, read: Callable[[bytes], pa.Table]) -> None:
        query = f"SELECT number, toString(number) AS text FROM numbers(300000) FORMAT {named}"
        answer = RUNNER.invoke(app, ["sql", query], catch_exceptions=False)
        assert read(answer.stdout_bytes)["number"].to_pylist() == list(range(300_000))

    def test_an_answer_that_breaks_off_is_said_to_be_incomplete_and_why(self) -> None:
        query = "SELECT throwIf(number = 3000000, 'too many') FROM numbers(4000000) FORMAT TSV"
        with pytest.raises(InterlockError, match=r"incomplete: Code: 395.*too many") as told:
            _output("sql", query)
        assert "__exception__" not in str(told.value)

    def test_an_error_of_such_a_query_names_what_is_wrong(self) -> None:
        with pytest.raises(InterlockError, match="UNKNOWN_FORMAT"):
            _output("sql", "SELECT 1 FORMAT Nonsense")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["SELECT 1 FORMAT JSON", "--csv"], "the query names FORMAT JSON"),
        (["SELECT 1 INTO OUTFILE 'x.csv'"], "redirect the answer to a file"),
        (["SELECT 1; SELECT 2"], "one at a time"),
        (["/* nothing */ ;"], "there is no query"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_do(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _output("sql", *arguments)


@pytest.mark.parametrize(
    ("data", "shown"), [(b"a\tb\n", "a\tb\n"), (b"\x1b[2J\n", "\\x1b[2J\n"), (b"PAR1\xff", None), (b"PAR\x00", None)]
)
def test_a_terminal_gets_text_and_nothing_that_acts_on_it(
    monkeypatch: pytest.MonkeyPatch, data: bytes, shown: str | None
) -> None:
    monkeypatch.setattr(database, "stream", lambda client, query: iter([data]))  # noqa: ARG005
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdout", terminal)
    with nullcontext() if shown is not None else pytest.raises(UsageError, match="redirect it to a file"):
        query_commands.sql("SELECT 1 FORMAT Parquet")
    assert terminal.getvalue() == (shown or "")
