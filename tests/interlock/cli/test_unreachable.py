"""Where Kafka or ClickHouse cannot be reached: one clear line, retries by roles, exit codes, no traceback."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

# Nobody listens on the ports of tcpmux and its neighbour.
KAFKA = "127.0.0.1:1"
CLICKHOUSE = "http://127.0.0.1:2"


ROLES = ("router", "desk", "sink")
COMMANDS = {
    "topics create": f"Kafka at {KAFKA}",
    "dead-letters list": f"Kafka at {KAFKA}",
    "reconcile": f"Kafka at {KAFKA}",
    "metrics": f"ClickHouse at {CLICKHOUSE}",
    f"schemas publish http://{KAFKA}": f"registry at http://{KAFKA}",
}

Started = dict[str, subprocess.Popen[str]]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """All at once, because each waits some seconds for an answer."""
    environment = {
        **os.environ,
        "INTERLOCK_DATA_DIR": str(tmp_path_factory.mktemp("unreachable")),
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": KAFKA,
        "INTERLOCK_CLICKHOUSE__URL": CLICKHOUSE,
        "INTERLOCK_ROUTER__AUDIT_KEY": "8a1c50e7d3b94f26a07e5c11d9f8b324",
    }
    commands = [*(f"run {role}" for role in ROLES), *COMMANDS, "doctor"]
    with ExitStack() as stack:
        processes = {
            command: stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "interlock", *command.split()],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for command in commands
        }
        yield processes
        for process in processes.values():
            process.kill()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_says_once_what_it_waits_for_and_still_stops_when_told(role: str, started: Started) -> None:
    process = started[f"run {role}"]
    assert process.stderr is not None
    line = process.stderr.readline()
    assert f"Kafka at {KAFKA} does not answer" in line
    assert "trying again every 2 s" in line
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")


@pytest.mark.parametrize(("command", "missing"), COMMANDS.items())
def test_a_command_names_what_does_not_answer(command: str, missing: str, started: Started) -> None:
    _, error = started[command].communicate(timeout=60)
    assert started[command].returncode == 4, error
    assert missing in error
    assert len(error.splitlines()) == 1


def test_the_doctor_names_both_and_fails(started: Started) -> None:
    output, error = started["doctor"].communicate(timeout=60)
    assert started["doctor"].returncode == 1, error
    assert f"Kafka at {KAFKA} does not answer" in output
    assert f"ClickHouse at {CLICKHOUSE} does not answer" in output
