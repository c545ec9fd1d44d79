"""Starting stays cheap: heavy modules are imported by the commands that use them, and not before."""

import subprocess
import sys

import pytest

from bench.imports import STARTS, run
from tests.packaging.conftest import clean_environment

# Processor time, unlike the time on the clock, hardly depends on what else runs; a slower machine needs more of it.
NOISE = 3

HEAVY = {
    "aiokafka", "chdb", "clickhouse_connect", "confluent_kafka", "fastavro", "faust", "httpx", "numpy", "polars",
    "prometheus_client", "psutil", "pyarrow", "pydantic", "pydantic_settings", "rich", "scipy", "sqlglot", "structlog",
    "yaml",
}  # fmt: skip


def _loaded_by(code: str) -> set[str]:
    script = (
        f"import contextlib, sys\nwith contextlib.suppress(SystemExit): {code}\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], env=clean_environment(), capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("import interlock", set()),
        ("import interlock.cli.app", set()),
        ("sys.argv[1:] = ['--help']; from interlock.cli import main; main()", set()),
        ("from interlock import Client", {"confluent_kafka", "fastavro"}),
        ("from interlock import Client, Decision", {"confluent_kafka", "fastavro", "pydantic"}),
    ],
)
def test_only_what_is_needed_is_loaded(code: str, needed: set[str]) -> None:
    assert _loaded_by(code) & HEAVY == needed


def test_imports_and_help_cost_no_more_than_promised_even_on_a_busy_machine() -> None:
    figures = {start["start"]: start["processor seconds"] for start in run(rounds=3)}
    for start in STARTS:
        assert figures[start.name] <= NOISE * start.target, start.name
