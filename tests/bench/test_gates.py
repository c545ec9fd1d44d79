"""Every gate is found where it stands, and says in its figures whether its promise is kept."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from bench.cli import app
from bench.gates import all as gates
from bench.gates.gate import Gate, Promise

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_share_of_runs_keeps_its_promise_as_long_as_chance_alone_explains_how_it_misses() -> None:
    promise = Promise("coverage", at_least=0.93)
    # Three standard errors of .93 in 400 runs are .038.
    assert promise.kept(0.90, 400)
    assert not promise.kept(0.88, 400)
    assert promise.kept(1.0, 400)


def test_what_is_no_share_leaves_nothing_to_chance() -> None:
    promise = Promise("reviews until then", at_most=1500)
    assert promise.kept(1500, 10)
    assert not promise.kept(1501, 10)
    assert not Promise("false", at_most=0).kept(0.01, 10)


def test_a_figure_without_a_promise_is_shown_and_judged_by_nobody() -> None:
    rows = gates.run("one", Gate(lambda _: {"other": 2.0, "share": 0.5}, 100, (Promise("share", 0.9, before=0.4),)))
    assert [(row.figure, row.promised, row.before, row.kept) for row in rows] == [
        ("share", "≥ 0.9", 0.4, False),
        ("other", "", None, None),
    ]


def test_the_command_finds_gates_by_name_and_fails_where_a_promise_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "a: kept": Gate(lambda runs: runs / 100, 100),
        "b: broken": Gate(lambda _: 0.5, 100, (Promise("share", 1),)),
    }
    monkeypatch.setattr(gates, "gates", lambda: known)
    kept = CliRunner().invoke(app, ["gates", "a:", "--quick", "--json"])
    assert (kept.exit_code, [row["now"] for row in json.loads(kept.stdout)]) == (0, [0.1])
    broken = CliRunner().invoke(app, ["gates", "--json"])
    assert (broken.exit_code, len(json.loads(broken.stdout))) == (1, 2)


def test_every_module_with_gates_is_found() -> None:
    modules = {name.partition(":")[0] for name in gates.gates()}
    assert {"calibration", "certification", "drift"} <= modules
    assert "gate" not in modules


def test_every_promise_of_the_documentation_names_a_gate_or_a_test_that_exists() -> None:
    text = (ROOT / "docs/learning.md").read_text()
    section = text.split("## What each number promises")[1].split("\n## ")[0]
    (head, _, *rows) = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
    assert head[-1] == "shown by"
    for promise, *_, shown_by in rows:
        names = re.findall(r"`([^`]+)`", shown_by)
        assert names, promise
        for name in names:
            assert _exists(name), f"{promise}: {name}"


def _exists(name: str) -> bool:
    file, _, test = name.partition("::")
    return f"def {test}(" in (ROOT / file).read_text() if test else any(name in gate for gate in gates.gates())
