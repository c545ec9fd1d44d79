"""The health check of the image, asked of a role that serves."""

import os
import subprocess
import sys

import pytest

from interlock.platform.settings import Settings
from interlock.services.endpoint import serve
from interlock.streams.embedded_kafka import free_port
from interlock.streams.metrics import Metrics


def _checked(port: int) -> tuple[int, str]:
    environment = {**os.environ, "INTERLOCK_METRICS_PORT": str(port)}
    command = [sys.executable, "-m", "interlock.platform.health_check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


@pytest.mark.parametrize(
    ("problem", "answer"),
    [(None, (0, "")), ("stands still at decisions[2]", (1, "stands still at decisions[2]"))],
)
def test_a_role_is_as_well_as_it_says(problem: str | None, answer: tuple[int, str]) -> None:
    port = free_port()
    serve(Metrics("router"), Settings(metrics_port=port), health=lambda: problem)
    assert _checked(port) == answer


def test_a_role_that_does_not_answer_is_not_well() -> None:
    code, text = _checked(port := free_port())
    assert code == 1
    assert text.startswith(f"nothing answers on the metrics port {port}")


def test_a_command_has_no_port_and_is_well() -> None:
    assert _checked(0) == (0, "")


def test_the_check_costs_a_container_little() -> None:
    heavy = "import sys, interlock.platform.health_check; print([m for m in ('pydantic', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
