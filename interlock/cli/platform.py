"""`interlock up | down | status | doctor | run`: the platform and its roles."""

import os
import signal
import subprocess
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import psutil
import typer

from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.errors import InterlockError, UnavailableError
from interlock.platform import connection
from interlock.platform import instance as instances
from interlock.platform.exit_codes import ExitCode
from interlock.platform.extras import require

# Longer than the supervisor gives all its children together.
DOWN_PATIENCE = 90.0


class Role(StrEnum):
    """Every process that Interlock consists of."""

    KAFKA = "kafka"
    CLICKHOUSE = "clickhouse"
    ROUTER = "router"
    DESK = "desk"
    SINK = "sink"
    WEBHOOKS = "webhooks"
    NOTIFIER = "notifier"
    FEEDBACK = "feedback"
    CALIBRATION = "calibration"
    SAMPLER = "sampler"


def up(
    data_dir: DataDir = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything serves.")] = False,
    kafka_port: Annotated[int, typer.Option(help="Port of the broker; 0: a free one.")] = 0,
    clickhouse_port: Annotated[int, typer.Option(help="Port of ClickHouse; 0: a free one.")] = 0,
) -> None:
    """Start Kafka, ClickHouse, router, desk and sink on this machine; Ctrl-C stops them in order.

    Examples:

        interlock up

        interlock up --detach --data-dir /tmp/second-instance
    """
    require("local")
    platform = connection.connect(data_dir)
    directory = platform.settings.data_dir
    if detach:
        start_detached(directory, kafka_port, clickhouse_port)
        _show(directory)
        return
    from interlock.local.stages import supervisor
    from interlock.platform.log_config import configure

    configure(platform.settings.log_format)
    with instances.acquire(directory):
        _stop_orphans(directory)
        instance = instances.describe(directory, kafka_port=kafka_port, clickhouse_port=clickhouse_port)
        instances.write(directory, instance)
        running = supervisor(connection.connect(data_dir), instance, lambda what: errors.print(f"starting {what} …"))
        running.handle_signals()
        running.up()
        if not running.stopping.is_set():
            _show(directory)
            errors.print("Ctrl-C stops everything.")
        running.watch()
        errors.print("stopping …")
        running.down()


def down(data_dir: DataDir = None) -> None:
    """Stop the local instance in order; its data stays.

    Examples:

        interlock down
    """
    directory = connection.connect(data_dir).settings.data_dir
    instance = instances.read(directory)
    if instance is None or not instances.is_running(directory):
        if instance is not None:
            _stop_orphans(directory)
        errors.print(f"no instance is running in {directory}")
        return
    os.kill(instance.supervisor_pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_PATIENCE
    while instances.is_running(directory):
        if time.monotonic() > deadline:
            raise InterlockError(f"process {instance.supervisor_pid} has not stopped after {DOWN_PATIENCE:g} s")
        time.sleep(0.1)
    errors.print("stopped")


def status(data_dir: DataDir = None, json: Json = False) -> None:
    """Say what runs and where. Exit code 4 when no instance runs, 1 when a part of it does not.

    Examples:

        interlock status --json
    """
    directory = connection.connect(data_dir).settings.data_dir
    instance = instances.read(directory) if instances.is_running(directory) else None
    if instance is None:
        if json:
            print_json({"running": False})
        raise UnavailableError(f"no instance is running in {directory}; `interlock up` starts one")
    if json:
        print_json(_facts(instance))
    else:
        _show(directory)
    if not all(child.state == "running" and instances.alive(child) for child in instance.children):
        raise typer.Exit(ExitCode.FAILED)


def doctor(data_dir: DataDir = None, json: Json = False) -> None:
    """Check everything Interlock needs, and say what to do where something is wrong.

    Examples:

        interlock doctor
    """
    from interlock.operations.doctor import examine

    findings = examine(connection.connect(data_dir))
    if json:
        print_json([finding.__dict__ for finding in findings])
    else:
        marks = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "wrong": "[red]wrong[/]"}
        table(("", "what", "finding"), [(marks[f.state], f.what, f.finding) for f in findings])
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


def run(role: Annotated[Role, typer.Argument(help="Which one.")], data_dir: DataDir = None) -> None:
    """Run one role in the foreground against the Kafka and ClickHouse named in the settings: what containers run.

    Examples:

        INTERLOCK_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 interlock run router
    """
    from importlib import import_module

    from interlock.platform.log_config import configure

    platform = connection.connect(data_dir)
    configure(platform.settings.log_format)
    import_module(f"interlock.services.{role.value}").run(platform)


def start_detached(directory: Path, kafka_port: int = 0, clickhouse_port: int = 0) -> None:
    """Starts an instance that outlives this command; returns when everything serves, or raises InterlockError."""
    instances.acquire(directory).close()
    log = directory / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-m", "interlock", "up", "--data-dir", str(directory)]
    command += ["--kafka-port", str(kafka_port), "--clickhouse-port", str(clickhouse_port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    with console.status("starting …"):
        while process.poll() is None:
            instance = instances.read(directory)
            if instance is not None and instance.supervisor_pid == process.pid and instance.ready:
                return
            time.sleep(0.1)
    raise InterlockError(f"the instance did not start:\n{log.read_text(errors='replace').strip()}")


def _stop_orphans(directory: Path) -> None:
    """Children of a supervisor that was killed: they hold the data, so they must go before a new start."""
    instance = instances.read(directory)
    orphans = [psutil.Process(c.pid) for c in instance.children if instances.alive(c)] if instance else []
    for orphan in orphans:
        orphan.terminate()
    for orphan in psutil.wait_procs(orphans, timeout=20)[1]:
        orphan.kill()
        orphan.wait()


def _facts(instance: instances.Instance) -> dict[str, object]:
    return {
        "running": True,
        "ready": instance.ready,
        "kafka": instance.bootstrap_servers,
        "clickhouse": instance.clickhouse_url,
        "supervisor_pid": instance.supervisor_pid,
        "roles": {
            child.role: {"pid": child.pid, "state": child.state, "restarts": child.restarts}
            for child in instance.children
        },
    }


def _show(directory: Path) -> None:
    instance = instances.read(directory)
    assert instance is not None
    rows = []
    for child in instance.children:
        state = child.state if instances.alive(child) or child.state != "running" else "gone"
        memory = psutil.Process(child.pid).memory_info().rss / 1e6 if instances.alive(child) else 0.0
        rows.append((child.role, state, child.pid, child.restarts, f"{memory:.0f} MB"))
    table(("role", "state", "pid", "restarts", "memory"), rows)
    console.print(f"Kafka       {instance.bootstrap_servers}")
    console.print(f'ClickHouse  {instance.clickhouse_url}   (interlock sql "SELECT …")')
    console.print(f"data, logs  {directory}")
