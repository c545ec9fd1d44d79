"""A start shows its steps, waits as long as a process lives and writes, and quotes only what belongs to this start."""

import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from interlock.errors import InterlockError, UsageError
from interlock.local import processes
from interlock.local.forked import SERVERS, ForkServer
from interlock.local.processes import Process
from interlock.local.stages import LIGHT, ROLES, WATCH, left_out, roles, supervisor
from interlock.local.supervisor import Report, Supervisor
from interlock.platform.connection import Platform
from interlock.platform.groups import watched_groups
from interlock.platform.instance import Instance
from interlock.platform.settings import Settings, WebhookSettings


def _instance() -> Instance:
    return Instance(os.getpid(), 1, 2, 3, "", "", "", False, [])


def _process(directory: Path, role: str, program: str, ready: Callable[[], bool] = lambda: False) -> Process:
    command = [sys.executable, "-S", "-c", f"import time\n{program}"]
    return Process(role, command, {}, directory / f"{role}.log", ready)


def _supervisor(directory: Path, lines: list[str], *stage: Process, timeout: float | None = None) -> Supervisor:
    instance = _instance()
    return Supervisor(directory, instance, [list(stage)], {}, Report(lines.append), timeout)


def test_roles_can_be_left_out() -> None:
    assert roles(Settings()) == list(ROLES)
    assert roles(Settings(without=["sink", "sampler"])) == [
        "router",
        "desk",
        "feedback",
        "calibration",
        "notices",
        "console",
    ]


@pytest.mark.parametrize("without", [["sink"], ["watch", "sampler", "webhooks"]])
def test_the_processes_of_an_instance_are_those_that_are_not_left_out(tmp_path: Path, without: list[str]) -> None:
    platform = Platform(Settings(data_dir=tmp_path, without=without))
    instance = _instance()
    made = supervisor(platform, instance, Report(lambda _: None), None)
    made_processes = [process for stage in made._stages for process in stage]
    started = {role for process in made_processes for role in process.metrics_ports or [process.name]}
    assert started == {*SERVERS, *ROLES, WATCH} - {*without}
    assert instance.left_out == without
    # Nobody looks for the progress of what does not run.
    assert not {group.role for group in watched_groups(platform.settings)} & {*without}


@pytest.mark.parametrize(
    ("without", "together"), [([], [*LIGHT]), (["watch", "calibration"], ["feedback", "sampler", "notices"])]
)
def test_roles_with_little_to_do_share_a_process_that_starts_last(
    tmp_path: Path, without: list[str], together: list[str]
) -> None:
    platform = Platform(Settings(data_dir=tmp_path, without=without))
    forks = ForkServer({}, tmp_path / "fork-server.log")
    made = supervisor(platform, _instance(), Report(lambda _: None), None, forks)
    (shared,) = made._stages[-1]
    assert [*shared.metrics_ports] == [process.name for process in shared.apart] == together
    ports = [*shared.metrics_ports.values(), *(port for each in shared.apart for port in each.metrics_ports.values())]
    assert len({*ports}) == len(ports)


def test_one_such_role_has_a_process_of_its_own_and_the_watch_starts_last(tmp_path: Path) -> None:
    without = ["feedback", "calibration", "sampler", "notices", "console"]
    platform = Platform(Settings(data_dir=tmp_path, without=without))
    forks = ForkServer({}, tmp_path / "fork-server.log")
    made = supervisor(platform, _instance(), Report(lambda _: None), None, forks)
    stages = [[process.name for process in stage] for stage in made._stages[1:]]
    assert stages == [["sink", "router", "desk"], ["watch"]]


def test_roles_are_chosen_by_name_and_the_others_are_left_out() -> None:
    assert left_out("router, desk,sink,console", Settings()) == [
        *("feedback", "calibration", "sampler", "notices", "watch")
    ]
    addressed = Settings(webhooks=WebhookSettings(url="https://receiver.example"))
    chosen = left_out("kafka,webhooks,watch", addressed)
    assert {*chosen} == {*ROLES}
    assert roles(addressed.model_copy(update={"without": chosen})) == ["webhooks"]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ("router,dsk", r"--roles: there is no role 'dsk' \(did you mean desk\?\): choose from sink, router, "),
        ("router desk", "--roles: there is no role 'router desk'"),
        (" , ", "--roles names no role: choose from sink, "),
        ("router,webhooks", "--roles: webhooks has nobody to tell anything: set INTERLOCK_WEBHOOKS__URL"),
    ],
)
def test_a_role_that_cannot_be_chosen_is_named_with_what_can(chosen: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        left_out(chosen, Settings())


@pytest.mark.parametrize(
    ("role", "said"),
    [
        ("snk", r"INTERLOCK_WITHOUT: there is no role 'snk' \(did you mean sink\?\)"),
        ("kafka", "INTERLOCK_WITHOUT: kafka cannot be left out"),
    ],
)
def test_a_role_that_cannot_be_left_out_is_named(role: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        roles(Settings(without=[role]))


def test_every_process_is_named_when_it_starts_and_when_it_serves(tmp_path: Path) -> None:
    lines: list[str] = []
    quick = _process(tmp_path, "quick", "time.sleep(60)", lambda: True)
    # Ready when it was told that the other one is: it would come first otherwise, as it is looked at first.
    slow = _process(tmp_path, "slow", "time.sleep(60)", lambda: any(line.startswith("quick ready") for line in lines))
    supervisor = _supervisor(tmp_path, lines, slow, quick)
    supervisor.up()
    supervisor.down()
    assert lines[0] == "starting slow, quick …"
    assert [line.split(" after ")[0] for line in lines[1:] if "busy" not in line] == ["quick ready", "slow ready"]


def test_a_process_that_dies_ends_the_start_at_once_with_the_lines_of_this_start(tmp_path: Path) -> None:
    (tmp_path / "sink.log").write_text("an error of yesterday\n")
    sink = _process(tmp_path, "sink", "print('the port is taken'); raise SystemExit(7)")
    with pytest.raises(InterlockError) as failure:
        _supervisor(tmp_path, [], sink).up()
    assert "sink ended with code 7 while starting" in str(failure.value)
    assert "the port is taken" in str(failure.value)
    assert "yesterday" not in str(failure.value)
    assert "yesterday" in (tmp_path / "sink.log").read_text()


def test_when_kafka_ends_its_reason_is_said_in_words_and_without_stack_frames(tmp_path: Path) -> None:
    trace = "java.io.IOException: No space left on device\n\tat kafka.Kafka.main(Kafka.scala)"
    kafka = _process(tmp_path, "kafka", f"print({trace!r}); raise SystemExit(1)")
    with pytest.raises(InterlockError) as failure:
        _supervisor(tmp_path, [], kafka).up()
    reason, where, *log = str(failure.value).splitlines()[1:]
    assert reason == "Probably the disk is full; make room."
    assert where.startswith("The end of ")
    assert log == ["  java.io.IOException: No space left on device"]


def test_a_slow_process_is_waited_for_as_long_as_it_lives_and_named_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.local.supervisor.TELL_SECONDS", 0.2)
    sign = tmp_path / "sign"
    quick = _process(tmp_path, "router", "time.sleep(60)", lambda: True)
    slow = _process(tmp_path, "sink", f"time.sleep(1); open({str(sign)!r}, 'w').close(); time.sleep(60)", sign.exists)
    lines: list[str] = []
    supervisor = _supervisor(tmp_path, lines, quick, slow)
    supervisor.up()
    assert (quick.state, slow.state) == ("running", "running")
    assert [line for line in lines if f"waited for: sink (log: {tmp_path / 'sink.log'})" in line]
    supervisor.down()


def test_a_process_that_writes_is_waited_for_and_a_silent_one_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "desk.log").write_text("an error of yesterday\n")
    lively = "for _ in range(8): print('restoring', flush=True); time.sleep(0.25)\n"
    desk = _process(tmp_path, "desk", lively + "time.sleep(600)")
    started = time.monotonic()
    with pytest.raises(InterlockError, match=r"desk does not serve after .* has written nothing for 1 s") as failure:
        _supervisor(tmp_path, [], desk, timeout=1).up()
    assert time.monotonic() - started > 2.5
    assert "restoring" in str(failure.value)
    assert "yesterday" not in str(failure.value)
    assert "--timeout" in str(failure.value)
    assert desk.state == "stopped"


def test_a_process_that_has_written_nothing_is_not_blamed_for_older_lines(tmp_path: Path) -> None:
    (tmp_path / "sink.log").write_text("an error of yesterday\n")
    sink = _process(tmp_path, "sink", "raise SystemExit(1)")
    with pytest.raises(InterlockError, match=r"has written nothing to .*sink\.log since this start"):
        _supervisor(tmp_path, [], sink).up()


def test_a_busy_machine_is_named_as_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getloadavg", lambda: (24.0, 20.0, 10.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert processes.busy_machine() == " (this machine is busy: load 24 on 2 cores)"
    monkeypatch.setattr("interlock.local.supervisor.USUAL_START_SECONDS", 0.0)
    lines: list[str] = []
    silent = _process(tmp_path, "sink", "time.sleep(600)")
    with pytest.raises(InterlockError, match="this machine is busy: load 24 on 2 cores"):
        _supervisor(tmp_path, lines, silent, timeout=0.5).up()
    assert lines[1:] == ["starting takes longer than usual (this machine is busy: load 24 on 2 cores)"]


def test_a_role_whose_port_another_program_has_taken_listens_on_another_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = "import http.server as h, os; h.test(bind='127.0.0.1', port=int(os.environ['INTERLOCK_METRICS_PORT']))"
        command = [sys.executable, "-S", "-c", server]
        router = Process("router", command, {}, tmp_path / "router.log", metrics_ports={"router": port})
        supervisor = _supervisor(tmp_path, [], router)
        supervisor.up()
        try:
            assert router.metrics_ports["router"] != port
            assert router.state == "running"
            assert [child.metrics_port for child in router.children()] == [*router.metrics_ports.values()]
        finally:
            supervisor.down()
