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
from interlock.platform.instance import Instance
from tests.crash.test_kill_everything import wait_until


def _process(directory: Path, role: str, program: str = "", port: int = 1) -> Process:
    command = [sys.executable, "-S", "-c", f"import signal, time\n{program}\nprint('up', flush=True)\ntime.sleep(60)"]
    log = directory / f"{role}.log"
    return Process(role, command, {}, log, lambda: log.exists() and "up" in log.read_text(), metrics_port=port)


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
    kafka = _process(tmp_path, "kafka", port=0)
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
