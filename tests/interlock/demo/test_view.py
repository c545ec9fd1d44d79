"""The live view of the demonstration fits a terminal of 80 columns and says what is halted."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from interlock.demo.counts import Counts, Reviews
from interlock.demo.view import Snapshot, View
from interlock.policies.controls import Halt

HALT = Halt("all", "drill", "ann", datetime(2026, 1, 2, 3, 4, tzinfo=UTC))


def shown(width: int, *halts: Halt) -> str:
    view = View(
        "demo-1234abcd", "127.0.0.1:25375", "http://127.0.0.1:28123", "http://localhost:28080", ".interlock/demo"
    )
    counts = Counts(
        {"auto": 1_234_567, "async": 987_654, "sync": 123_456, "manual": 98_765}, 61_728, 0, 12_345, 71, 2345
    )
    view.add(Snapshot(3600, 2_456_789, counts, Reviews(12_345, 1234, 11_111, 1.5, 10, 12, 98_765), list(halts)))
    console = Console(width=width, file=io.StringIO())
    with console.capture() as capture:
        console.print(view.render(width))
    return capture.get()


@pytest.mark.parametrize("width", [80, 110, 200])
def test_no_line_is_torn_or_cut(width: int) -> None:
    lines = shown(width).splitlines()
    assert all(len(line) <= width for line in lines)
    assert len(lines) == len(shown(200).splitlines())
    assert "…" not in "".join(lines)
    for words in ("a caller waits for it", "decided by a person", "--data-dir .interlock/demo", "2,345 ms"):
        assert sum(words in line for line in lines) == 1, words


def test_a_halt_stands_at_the_top_with_the_line_that_lifts_it() -> None:
    text = " ".join(line.strip("│ ") for line in shown(80, HALT).splitlines()[:4])
    assert "halted since 2026-01-02 03:04 UTC by ann: all (drill)" in text
    assert 'interlock resume all --reason "…"' in text
