"""Where Kafka or ClickHouse cannot be reached: one clear line, retries by roles, exit codes, no traceback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Nobody listens on the ports of tcpmux and its neighbour.
KAFKA = "127.0.0.1:1"
CLICKHOUSE = "http://127.0.0.1:2"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **os.environ,
        "INTERLOCK_DATA_DIR": str(tmp_path),
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": KAFKA,
        "INTERLOCK_CLICKHOUSE__URL": CLICKHOUSE,
        "INTERLOCK_ROUTER__AUDIT_KEY": "00" * 16,
    }


@pytest.fixture
def role(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "interlock", "run", request.param]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("role", ["router", "desk", "sink"], indirect=True)
def test_a_role_says_once_what_it_waits_for_and_still_stops_when_told(role: subprocess.Popen[str]) -> None:
    assert role.stderr is not None
    line = role.stderr.readline()
    assert f"Kafka at {KAFKA} does not answer" in line
    assert "trying again every 2 s" in line
    role.send_signal(signal.SIGTERM)
    assert role.wait(timeout=30) == 0
    assert role.stderr.read() == ""


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("topics create", f"Kafka at {KAFKA}"),
        ("dead-letters list", f"Kafka at {KAFKA}"),
        ("reconcile", f"Kafka at {KAFKA}"),
        ("metrics", f"ClickHouse at {CLICKHOUSE}"),
        (f"schemas publish http://{KAFKA}", f"registry at http://{KAFKA}"),
    ],
)
def test_a_command_names_what_does_not_answer(command: str, missing: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        f"{sys.executable} -m interlock {command}",
        shell=True,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert missing in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_doctor_names_both_and_fails(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "interlock", "doctor"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert f"Kafka at {KAFKA} does not answer" in done.stdout
    assert f"ClickHouse at {CLICKHOUSE} does not answer" in done.stdout
