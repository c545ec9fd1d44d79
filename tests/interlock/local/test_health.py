"""Roles that stand still or hang are restarted; others are left alone."""

import os
import sys
import threading
from pathlib import Path

import pytest

from interlock.local import health as health_module
from interlock.local.health import SILENT_SECONDS, Health
from interlock.local.processes import Process
from interlock.local.supervisor import Report, Supervisor
from interlock.platform.exit_codes import ExitCode
from interlock.platform.instance import Instance
from tests.crash.test_kill_everything import wait_until


def _process(directory: Path, role: str, program: str = "", port: int | None = 1) -> Process:
    command = [sys.executable, "-S", "-c", f"import signal, time\n{program}\nprint('up', flush=True)\ntime.sleep(60)"]
    log = directory / f"{role}.log"
    ports = {} if port is None else {role: port}
    return Process(role, command, {}, log, lambda: log.exists() and "up" in log.read_text(), ports)


def _running(directory: Path, role: str = "router") -> Process:
    process = _process(directory, role)
    process.state = "running"
    return process


def test_a_role_that_asks_for_it_is_named_once_with_its_reason(tmp_path: Path) -> None:
    answers: list[str | None] = [None, "router stands still at decisions[2]", None]
    health = Health([_running(tmp_path)], ask=lambda _: answers.pop(0))
    health.look()
    assert health.take() == {}
    health.look()
    assert health.take() == {"router": "router stands still at decisions[2]"}
    assert health.take() == {}


def test_a_role_that_answers_nothing_is_named_after_two_minutes_and_not_while_it_starts(tmp_path: Path) -> None:
    def silence(_: int) -> str | None:
        raise ConnectionRefusedError

    now = 0.0
    process = _running(tmp_path)
    health = Health([process], ask=silence, monotonic=lambda: now)
    health.look()
    process.state = "starting"
    now = SILENT_SECONDS
    health.look()
    process.state = "running"
    health.look()
    assert health.take() == {}
    now += SILENT_SECONDS
    health.look()
    assert health.take() == {"router": "router has answered nothing for 120 s"}


def test_processes_without_a_port_are_not_asked(tmp_path: Path) -> None:
    kafka = _process(tmp_path, "kafka", port=None)
    kafka.state = "running"
    Health([kafka], ask=lambda _: pytest.fail("kafka has no such port")).look()


@pytest.mark.parametrize("program", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"], ids=["obeys", "hangs"])
def test_the_supervisor_restarts_a_role_that_stands_still_and_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(health_module, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr("interlock.local.supervisor.STOP_TIMEOUT_SECONDS", 0.5)
    asked: list[int] = []

    def ask(port: int) -> str | None:
        asked.append(port)
        return "router stands still" if port == 1 and asked.count(1) == 1 else None

    monkeypatch.setattr("interlock.local.supervisor.Health", lambda processes: Health(processes, ask=ask))
    router, desk = _process(tmp_path, "router", program, port=1), _process(tmp_path, "desk", port=2)
    instance = Instance(os.getpid(), 1, 2, 3, "", "", "", False, [])
    supervisor = Supervisor(tmp_path, instance, [[router, desk]], {}, Report(lambda _: None))
    supervisor.up()
    before = {child.role: child.pid for child in instance.children}
    watching = threading.Thread(target=supervisor.watch)
    watching.start()

    def restarted() -> bool:
        return router.restarts == 1 and router.state == "running"

    wait_until(restarted, "the router runs again", 30)
    supervisor.stopping.set()
    watching.join()
    after = {child.role: child.pid for child in instance.children}
    assert after["router"] != before["router"]
    assert after["desk"] == before["desk"]
    supervisor.down()


@pytest.mark.parametrize("code", [1, ExitCode.OPERATOR_REQUIRED, None], ids=["fails", "needs a person", "stands still"])
def test_roles_whose_process_has_ended_get_a_process_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int | None
) -> None:
    monkeypatch.setattr(health_module, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr("interlock.local.supervisor.STOP_TIMEOUT_SECONDS", 0.5)

    def ask(port: int) -> str | None:
        return "notices stands still" if code is None and port == 2 else None

    monkeypatch.setattr("interlock.local.supervisor.Health", lambda processes: Health(processes, ask=ask))
    apart = [_process(tmp_path, role, port=port) for role, port in (("watch", 11), ("notices", 12))]
    shared = _process(tmp_path, "background")
    shared.metrics_ports, shared.apart = {"watch": 1, "notices": 2}, apart
    end = tmp_path / "end"
    if code is not None:
        shared.command[-1] = (
            "import pathlib, time\nprint('up', flush=True)\n"
            f"while not pathlib.Path({str(end)!r}).exists(): time.sleep(0.01)\nraise SystemExit({code})"
        )
    desk = _process(tmp_path, "desk", port=3)
    instance = Instance(os.getpid(), 1, 2, 3, "", "", "", False, [])
    supervisor = Supervisor(tmp_path, instance, [[desk], [shared]], {}, Report(lambda _: None))
    supervisor.up()
    before = {child.role: child.pid for child in instance.children}
    assert before["watch"] == before["notices"] != before["desk"]
    watching = threading.Thread(target=supervisor.watch)
    watching.start()
    end.touch()
    wait_until(lambda: all(process.state == "running" for process in apart), "they run apart", 30)
    supervisor.stopping.set()
    watching.join()
    children = {child.role: child for child in instance.children}
    assert list(children) == ["desk", "watch", "notices"]
    assert len({child.pid for child in children.values()}) == 3
    assert [child.restarts for child in children.values()] == [0, 1, 1]
    assert children["desk"].pid == before["desk"]
    supervisor.down()
    assert [process.state for process in (desk, *apart)] == ["stopped"] * 3
