"""What is printed fits the terminal it is printed on, and stays whole in pipes."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from interlock.cli import common, queries
from interlock.cli.common import note, print_json, table, vertical
from tests.packaging.conftest import clean_environment

TOPIC = "reviews.async"
EVENTS = [
    {
        "at": f"2026-11-28 11:00:0{number}.123",
        "event": "task arrived",
        "detail": "underwriting, high, due at 2026-11-29 11:00:00, confidence 0.7444289738910631 by the model",
        "kafka_topic": TOPIC,
        "kafka_partition": 1,
        "kafka_offset": 12_345_678,
    }
    for number in range(3)
]
WORDS = {word for event in EVENTS for value in event.values() for word in str(value).split()}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> int:
    """A terminal of 80 columns."""
    monkeypatch.setattr(common, "_IN_PIPE", False)
    monkeypatch.setattr(common, "console", Console(width=80, color_system=None))
    return 80


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal, and no COLUMNS."""
    monkeypatch.setattr(common, "_IN_PIPE", True)


def _print(events: Sequence[dict[str, Any]], **options: Any) -> None:
    table(list(events[0]), [list(event.values()) for event in events], **options)


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("terminal")
def test_a_table_that_is_too_wide_leaves_out_the_columns_that_matter_least(capsys: pytest.CaptureFixture[str]) -> None:
    _print(EVENTS, optional=("kafka_topic", "kafka_partition", "kafka_offset"))
    printed = capsys.readouterr()
    assert max(map(len, printed.out.splitlines())) <= 80
    assert "kafka" not in printed.out
    assert "kafka_topic" in printed.err
    assert "2026-11-28 11:00:02.123" in printed.out


@pytest.mark.usefixtures("terminal")
def test_text_wraps_between_words_only(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{name: event[name] for name in ("at", "event", "detail")} for event in EVENTS]
    _print(rows)
    lines = _lines(capsys)
    assert max(map(len, lines)) <= 80
    assert {word for line in lines for word in line.split()} <= WORDS | {"at", "event", "detail"}


@pytest.mark.usefixtures("terminal")
def test_rows_whose_words_do_not_fit_become_blocks_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    columns = [f"a_long_name_of_a_column_{number}" for number in range(9)]
    table(columns, [list(range(9)), [None] * 9])
    lines = _lines(capsys)
    assert lines[0] == "a_long_name_of_a_column_0  0"
    assert lines[9] == ""
    assert len(lines) == 19


@pytest.mark.usefixtures("terminal")
def test_columns_without_any_value_are_left_out_where_room_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ("name", "type", "default_type", "default_expression", "comment", "codec_expression", "ttl_expression")
    rows = [(f"column_{number}", "DateTime64(6, 'UTC')", "", "", "", "", "") for number in range(3)]
    table(columns, rows)
    assert _lines(capsys)[0].split() == ["name", "type"]


@pytest.mark.usefixtures("terminal")
def test_numbers_are_rounded_and_missing_values_shown_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    table(("share", "count", "note"), [(0.7444289738910631, 1234567, None)])
    assert _lines(capsys)[1].split() == ["0.7444", "1,234,567", "–"]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("[red]", "[red]"),
        ("[red]hidden[/red] d1", "[red]hidden[/red] d1"),
        ("['large', 'audit']", "['large', 'audit']"),
        ("a[b]c", "a[b]c"),
        ("[/]", "[/]"),
        ("[/oops]", "[/oops]"),
        ("\x1b[2Jcleared\x1b[8m\x7f\x9b", "\\x1b[2Jcleared\\x1b[8m\\x7f\\x9b"),
        ("10 EUR\r1,000,000 EUR", "10 EUR\\x0d1,000,000 EUR"),
        ("\u202e001 RUE\u2066", "\\u202e001 RUE\\u2066"),
        ("so sad \ud83d", "so sad \ufffd"),
    ],
)
def test_what_others_wrote_is_shown_as_it_is_and_acts_on_nothing(
    value: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table((value,), [(value,)])
    vertical(("value",), [(value,)])
    common.VisibleConsole(width=80, color_system=None).print(value)
    note(value)
    printed = capsys.readouterr()
    assert [line.strip() for line in printed.out.splitlines()] == [shown, shown, f"value  {shown}", shown]
    assert printed.err == f"{shown}\n"


def test_json_is_valid_in_any_language_and_has_its_own_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    facts = {
        "text": "\x1b[2J\x9b\u202e é",
        "half": "\ud83d",
        "income": float("nan"),
        "on": date(2026, 1, 1),
    }
    print_json([facts])
    assert capsys.readouterr().out == (
        '[{"text": "\\u001b[2J\\u009b\\u202e é", "half": "\ufffd", "income": null, "on": "2026-01-01"}]\n'
    )


@pytest.mark.usefixtures("pipe")
def test_in_a_pipe_every_row_is_one_whole_line(capsys: pytest.CaptureFixture[str]) -> None:
    _print([*EVENTS, {**EVENTS[0], "detail": "x " * 200}], optional=("kafka_topic",))
    lines = _lines(capsys)
    assert len(lines) == 5
    assert all(TOPIC in line for line in lines[1:])
    assert not any(line.endswith(" ") for line in lines)


def test_the_timeline_shows_times_to_the_millisecond_and_rounded_numbers() -> None:
    at, event, detail = queries._rounded(EVENTS[0])
    assert (at, event) == ("2026-11-28 11:00:00.123", "task arrived")
    assert "confidence 0.7444 by" in detail
    assert "2026-11-29 11:00:00," in detail


@pytest.mark.parametrize("columns", [{}, {"COLUMNS": "40"}])
def test_a_problem_in_a_file_is_one_line_in_a_pipe(columns: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / f"{'long-' * 20}name.yaml"
    file.write_text("name: x\ndomains: {x: {outcomes: [a, other], lanes: {a: {auto: 0.9}}, modells: ['*']}}\n")
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "policy", "check", str(file)],
        env={name: value for name, value in clean_environment(**columns).items() if columns or name != "COLUMNS"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert all(line.startswith(f"{file}:2: ") for line in done.stderr.splitlines()), done.stderr
    assert "modells" in done.stderr


@pytest.mark.parametrize("width", ["60", "80", "120"])
def test_columns_says_how_wide_a_table_in_a_pipe_may_be(width: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "interlock", "topics", "list"],
        env=clean_environment(COLUMNS=width),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert max(map(len, done.stdout.splitlines())) <= int(width)
    assert "decisions.auto-approved" in done.stdout
