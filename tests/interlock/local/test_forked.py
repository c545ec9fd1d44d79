"""Roles that are forked are handled like processes of their own: logs, settings, signals, exit codes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from interlock.local.forked import Forked, ForkServer
from interlock.platform.exit_codes import ExitCode
from interlock.streams.embedded_kafka.settings import free_port
from tests.crash.test_kill_everything import wait_until

# Nothing listens there, so that a role waits for Kafka.
_NOWHERE = {"INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forked")


@pytest.fixture(scope="module")
def server(directory: Path) -> Iterator[ForkServer]:
    """One for all tests: it imports for seconds."""
    server = ForkServer({"INTERLOCK_DATA_DIR": str(directory), **_NOWHERE}, directory / "fork-server.log")
    server.start()
    yield server
    server.stop()


@contextmanager
def _forked(server: ForkServer, log: Path, role: str = "watch", **settings: str) -> Iterator[Forked]:
    log.touch()
    forked = server.fork(role, settings, log)
    try:
        yield forked
    finally:
        forked.kill()
        forked.wait(60)


def _works(forked: Forked) -> None:
    wait_until(lambda: forked.poll() is not None or bool(forked.pid), "it is forked", 60)
    assert forked.returncode is None


def test_a_role_writes_to_its_own_log_and_its_exit_code_is_told(server: ForkServer, tmp_path: Path) -> None:
    with _forked(server, tmp_path / "watch.log", INTERLOCK_WATCH__TRIAL_DAYS="soon") as forked:
        assert forked.wait(60) == ExitCode.USAGE
        assert forked.wait() == forked.poll() == ExitCode.USAGE
    assert "INTERLOCK_WATCH__TRIAL_DAYS" in (tmp_path / "watch.log").read_text()


def test_a_role_is_a_process_of_its_own_without_pandas_and_with_its_name(server: ForkServer, tmp_path: Path) -> None:
    with _forked(server, tmp_path / "watch.log") as forked:
        _works(forked)
        process = psutil.Process(forked.pid)
        wait_until(lambda: process.name() == "watch", "it has its name", 30)
        # Ctrl-C in a terminal reaches the group of the supervisor.
        assert os.getpgid(forked.pid) == forked.pid
        assert not [file for file in process.open_files() if file.path.endswith("fork-server.log")]
        assert not [mapped.path for mapped in process.memory_maps() if "pandas" in mapped.path]


def test_a_role_stops_when_it_is_asked_to_also_before_it_is_forked(server: ForkServer, tmp_path: Path) -> None:
    log = tmp_path / "watch.log"
    with _forked(server, log) as forked:
        wait_until(lambda: forked.poll() is None and "trying again" in log.read_text(), "it waits for Kafka", 60)
        forked.send_signal(signal.SIGTERM)
        assert forked.wait(60) == 0
    with _forked(server, log) as forked:
        forked.send_signal(signal.SIGTERM)
        # Before it has said what a signal means to it, one simply ends it.
        assert forked.wait(60) in (0, -signal.SIGTERM)


def test_several_roles_run_in_one_process_and_stop_together(server: ForkServer, tmp_path: Path) -> None:
    log = tmp_path / "background.log"
    log.touch()
    forked = server.fork("background", {}, log, {"watch": free_port(), "notices": free_port()})
    try:
        wait_until(lambda: forked.poll() is None and log.read_text().count("trying again") > 1, "both wait", 60)
        assert {"role=watch", "role=notices"} <= {*log.read_text().split()}
        assert psutil.Process(forked.pid).name() == "background"
        forked.send_signal(signal.SIGTERM)
        assert forked.wait(60) == 0
    finally:
        forked.kill()
        forked.wait(60)


def test_a_role_that_is_killed_is_told_and_leaves_the_others_alone(server: ForkServer, tmp_path: Path) -> None:
    with _forked(server, tmp_path / "watch.log") as killed, _forked(server, tmp_path / "other.log") as other:
        _works(killed)
        _works(other)
        os.kill(killed.pid, signal.SIGKILL)
        assert killed.wait(60) == -signal.SIGKILL
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.1)


def test_roles_outlive_the_supervisor_and_so_its_next_start_can_stop_them(directory: Path, tmp_path: Path) -> None:
    server = ForkServer({"INTERLOCK_DATA_DIR": str(directory), **_NOWHERE}, directory / "fork-server.log")
    with _forked(server, tmp_path / "watch.log") as forked:
        _works(forked)
        process = psutil.Process(forked.pid)
        server.stop()
        assert process.is_running()
        process.kill()


def test_when_the_server_is_killed_its_roles_end_and_the_next_one_gets_a_new_server(
    directory: Path, tmp_path: Path
) -> None:
    server = ForkServer({"INTERLOCK_DATA_DIR": str(directory), **_NOWHERE}, directory / "fork-server.log")
    with _forked(server, tmp_path / "watch.log") as forked:
        _works(forked)
        process = psutil.Process(forked.pid)
        first = process.parent()
        assert first is not None
        first.kill()
        assert forked.wait(60) == -signal.SIGKILL
        wait_until(lambda: not process.is_running() or process.status() == "zombie", "the role has ended", 30)
        with _forked(server, tmp_path / "watch.log") as again:
            _works(again)
            assert psutil.Process(again.pid).ppid() != first.pid
    server.stop()
