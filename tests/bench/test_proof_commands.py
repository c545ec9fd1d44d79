"""Proofs on the command line: standard output holds one JSON document, whatever the parts they are made of log."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from bench.cli import app
from bench.proofs import all as learning_proofs
from bench.proofs import running as running_proof


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("command", "module"), [("learning-proofs", learning_proofs), ("running-proof", running_proof)]
)
def test_nothing_but_figures_is_on_standard_output(command: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> dict[str, int]:
        structlog.get_logger().info("policy in force")
        return {"found": 1}

    monkeypatch.setattr(module, "run", run)
    done = CliRunner().invoke(app, [command, "--quick", "--seed", "2", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"found": 1}
