"""An instance comes up, survives its children's and its supervisor's deaths, and goes down in order."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from interlock.local.stages import ROLES
from interlock.platform import instance as instances
from tests.interlock.conftest import Instance

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse]


def _until(condition: Callable[[], Any], what: str, seconds: float = 240.0) -> Any:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < deadline:
        if found := condition():
            return found
        pause.wait(0.05)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def _child(directory: Path, role: str) -> instances.Child:
    description = instances.read(directory)
    assert description is not None
    return next(child for child in description.children if child.role == role)


def test_an_instance_beside_another_survives_kills_of_a_child_and_of_its_supervisor(
    instance: Instance, tmp_path: Path
) -> None:
    second = Instance(tmp_path / "second")
    steps = second.run("up", "--detach").stderr
    for role in ("kafka", "clickhouse", "topics and tables", *ROLES):
        assert f"{role} ready after " in steps
    first_kafka, second_kafka = instance.json("status")["kafka"], second.json("status")["kafka"]
    assert first_kafka != second_kafka

    killed = _child(second.directory, "router")
    os.kill(killed.pid, signal.SIGKILL)

    def restarted() -> bool:
        child = _child(second.directory, "router")
        return child.state == "running" and child.pid != killed.pid and child.restarts == 1

    _until(restarted, "the router runs again and its restart is counted")
    assert "restarted 1 times" in str(second.json("doctor"))

    description = instances.read(second.directory)
    assert description is not None
    os.kill(description.supervisor_pid, signal.SIGKILL)
    _until(lambda: not psutil.pid_exists(description.supervisor_pid), "the supervisor is gone")
    told = f"no instance is running in {second.directory}; `interlock up` starts one"
    for command in (["status"], ["queues"], ["metrics"]):
        assert told in second.run(*command, code=4).stderr
    second.run("up", "--detach")
    old = {child.pid for child in description.children}
    fresh = instances.read(second.directory)
    assert fresh is not None
    assert not old & {child.pid for child in fresh.children}
    assert fresh.kafka_port == description.kafka_port
    assert "employment" not in str(second.json("policy", "show"))

    second.run("down")
    assert not any(instances.alive(child) for child in fresh.children)
    assert "no instance is running" in second.run("down").stderr
    assert instance.json("status")["running"] is True


def test_without_an_instance_commands_say_where_they_looked_and_what_to_do(tmp_path: Path) -> None:
    nowhere = Instance(tmp_path / "nowhere")
    for command in (["metrics"], ["sql", "SELECT 1"], ["policy", "show"], ["reconcile"], ["topics", "create"]):
        message = nowhere.run(*command, code=4).stderr
        assert "start a local instance with `interlock up`" in message
        assert str(nowhere.directory) in message


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert "cannot use the data directory" in Instance(file / "below").run("up", "--detach", code=1).stderr
