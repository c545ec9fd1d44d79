"""`interlock up | down | status | doctor`: the platform and its roles."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.text import Text

from interlock.cli.common import DataDir, Json, console, errors, print_json, table
from interlock.cli.halts import show_halts
from interlock.errors import InterlockError, UnavailableError
from interlock.platform import connection
from interlock.platform import instance as instances
from interlock.platform.exit_codes import ExitCode
from interlock.platform.extras import require
from interlock.platform.probes import known_findings, summary

# Longer than the supervisor gives all its children together.
DOWN_TIMEOUT_SECONDS = 90.0

_POLL_INTERVAL_SECONDS = 0.1

KafkaPort = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, help="Port of the broker.", show_default=f"as before, at first {instances.KAFKA_PORT}"
    ),
]
ClickHousePort = Annotated[
    int | None,
    typer.Option(
        min=1, max=65535, help="Port of ClickHouse.", show_default=f"as before, at first {instances.CLICKHOUSE_PORT}"
    ),
]
ConsolePort = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=65535,
        help="Port of the console and the HTTP API.",
        show_default=f"as before, at first {instances.CONSOLE_PORT}",
    ),
]
AnyPort = Annotated[
    bool,
    typer.Option(
        "--any-port", envvar="INTERLOCK_ANY_PORT", help="Take free ports, for instance beside another instance."
    ),
]
Secure = Annotated[
    bool | None,
    typer.Option(
        "--secure/--no-secure",
        help="Kafka asks for a password, which stands in instance.json, or no longer does.",
        show_default="as before, at first not",
    ),
]
StartTimeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=1,
        help="Give up when a starting process has neither served nor written a line for so many seconds.",
        show_default="wait as long as it lives",
    ),
]


Roles = Annotated[
    str | None,
    typer.Option(
        "--roles",
        metavar="ROLE,ROLE,…",
        help="Start only these; Kafka and ClickHouse always run. What others read waits for them.",
        show_default="all, without those in INTERLOCK_WITHOUT",
    ),
]


def up(
    data_dir: DataDir = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when everything serves.")] = False,
    kafka_port: KafkaPort = None,
    clickhouse_port: ClickHousePort = None,
    console_port: ConsolePort = None,
    any_port: AnyPort = False,
    secure: Secure = None,
    timeout: StartTimeout = None,
    roles: Roles = None,
) -> None:
    """Start Kafka, ClickHouse, router, desk, sink and console on this machine; Ctrl-C stops them in order.

    Kafka listens on port 9092, ClickHouse on 8123 and the console on 8080, or where the instance was before. Without
    --secure every process of this machine can write to Kafka, and so publish policies and give verdicts.

    Examples:

        interlock up

        interlock up --detach --data-dir /tmp/second-instance --any-port

        interlock up --roles router,desk,sink,console
    """
    require("local")
    from interlock.local import stages

    if roles is not None:  # for the roles and for whoever they start: the one way of leaving out
        os.environ["INTERLOCK_WITHOUT"] = dumps(stages.left_out(roles, connection.connect(data_dir).settings))
    platform = connection.connect(data_dir)
    stages.roles(platform.settings)  # a wrong one is named before anything starts
    directory = platform.settings.data_dir
    ports = Ports(kafka_port, clickhouse_port, console_port, any_port, secure)
    if detach:
        start_detached(directory, ports, timeout)
        _show(directory)
        return
    from interlock.cli import fork_server
    from interlock.local.supervisor import Report
    from interlock.platform.keys import make_local
    from interlock.platform.log_config import configure

    configure(platform.settings.log_format)
    with instances.acquire(directory):
        _stop_orphans(directory)
        instance = ports.describe(directory)
        instances.write(directory, instance)
        make_local(directory)
        platform = connection.connect(data_dir)
        forks = stages.fork_server(platform, instance, fork_server.main)
        with errors.status("starting …") as status:
            report = Report(lambda line: errors.print(line, markup=False, highlight=False), status.update)
            running = stages.supervisor(platform, instance, report, timeout, forks)
            running.handle_signals()
            running.up()
        if not running.stopping.is_set():
            _show(directory)
            if errors.is_terminal:
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
        errors.print(f"no instance is running in {directory}", markup=False, soft_wrap=True)
        return
    os.kill(instance.supervisor_pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_TIMEOUT_SECONDS
    while instances.is_running(directory):
        if time.monotonic() > deadline:
            raise InterlockError(f"process {instance.supervisor_pid} has not stopped after {DOWN_TIMEOUT_SECONDS:g} s")
        time.sleep(_POLL_INTERVAL_SECONDS)
    errors.print("stopped")


def status(data_dir: DataDir = None, json: Json = False) -> None:
    """Say what runs and where, what stands still, what is halted, and of which models too little is answered to learn
    from. Exit code 4 when no instance runs, 1 when a part of it does not run or stands still.

    Examples:

        interlock status --json
    """
    from interlock.operations.answers import read_unanswered
    from interlock.policies.controls import known_halts

    platform = connection.connect(data_dir)
    directory = platform.settings.data_dir
    instance = platform.instance if instances.is_running(directory) else None
    if instance is None:
        if json:
            print_json({"running": False})
        raise UnavailableError(instances.not_running(directory) + _elsewhere(platform))
    findings = known_findings(instance)
    if json:
        halted = [halt.facts() for halt in known_halts(platform)]
        unanswered = read_unanswered(platform.serving_kafka(), time.time_ns() // 1000)
        facts = {**_facts(instance), "clickhouse_user": platform.settings.clickhouse.analyst_user}
        print_json({**facts, "findings": findings, "halted": halted, "unanswered": unanswered})
    else:
        _show(directory)
        for line in summary((fact["kind"], fact["group"], fact["text"]) for fact in findings or ()):
            console.print(Text(line, "bold red"), soft_wrap=True)
        show_halts(known_halts(platform))
        for line in read_unanswered(platform.serving_kafka(), time.time_ns() // 1000):
            console.print(Text(f"nothing is concluded about {line}", "yellow"), soft_wrap=True)
    if findings or not all(child.state == "running" and instances.alive(child) for child in instance.children):
        raise typer.Exit(ExitCode.FAILED)


def _elsewhere(platform: connection.Platform) -> str:
    """What is known of a Kafka that the settings name. Raises what `serving_kafka` raises."""
    if platform.settings.kafka.bootstrap_servers is None:
        return ""
    platform.serving_kafka()
    return f". Kafka at {platform.bootstrap_servers} answers: `interlock doctor` checks it and what its roles have read"


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
        from rich.text import Text

        colours = {"ok": "green", "warning": "yellow", "wrong": "red"}
        table(("", "what", "finding"), [(Text(f.state, colours[f.state]), f.what, f.finding) for f in findings])
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


@dataclass(frozen=True)
class Ports:
    """The options of `up` that say where Kafka and ClickHouse listen, and whether Kafka asks for a password."""

    kafka: int | None = None
    clickhouse: int | None = None
    console: int | None = None
    any_port: bool = False
    secure: bool | None = None

    def describe(self, directory: Path) -> instances.Instance:
        """A description for a start on these ports; raises InterlockError where one is taken."""
        return instances.describe(
            directory,
            kafka_port=self.kafka,
            clickhouse_port=self.clickhouse,
            console_port=self.console,
            any_port=self.any_port,
            secure=self.secure,
        )

    def options(self) -> list[str]:
        """As they are typed."""
        given = {
            "--kafka-port": self.kafka,
            "--clickhouse-port": self.clickhouse,
            "--console-port": self.console,
        }
        words = [word for option, port in given.items() if port for word in (option, str(port))]
        words += ["--any-port"] if self.any_port else []
        return words if self.secure is None else [*words, "--secure" if self.secure else "--no-secure"]


def start_detached(directory: Path, ports: Ports, timeout: float | None = None) -> None:
    """Starts an instance that outlives this command and shows its steps; returns when everything serves, or raises
    InterlockError. An interrupt stops what has been started."""
    with instances.acquire(directory):
        _stop_orphans(directory)
        ports.describe(directory)  # a taken port is reported before anything starts
    log = directory / "logs" / "supervisor.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [sys.executable, "-P", "-m", "interlock", "up", "--data-dir", str(directory)]
    command += ports.options()
    if timeout is not None:
        command += ["--timeout", str(timeout)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
            umask=instances.OTHERS,
        )
    try:
        _follow_start(directory, process, log)
    except BaseException:
        if process.poll() is None:
            errors.print("stopping …")
            process.terminate()
            process.wait()
        raise


def _follow_start(directory: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Shows what the supervisor `process` writes until everything serves; raises InterlockError when it ends."""
    started = time.monotonic()
    with log.open(errors="replace") as lines, errors.status("starting …") as status:
        while True:
            ended = process.poll() is not None
            instance = instances.read(directory)
            if instance is not None and instance.supervisor_pid != process.pid:
                instance = None  # of an earlier start
            for line in lines:
                errors.print(line.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)
            if ended:
                raise InterlockError(f"the instance did not start; all it wrote is in {log}")
            if instance is not None and instance.ready:
                return
            children = instance.children if instance is not None else []
            roles = [child.role for child in children if child.state == "starting"]
            status.update(f"starting {', '.join(roles) or '…'}: {time.monotonic() - started:.0f} s")
            time.sleep(_POLL_INTERVAL_SECONDS)


def _stop_orphans(directory: Path) -> None:
    """Children of a supervisor that was killed: they hold the data, so they must go before a new start."""
    instance = instances.read(directory)
    pids = {child.pid for child in instance.children if instances.alive(child)} if instance else set()
    orphans = [psutil.Process(pid) for pid in pids]
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
        "kafka_asks_for_a_password": bool(instance.kafka_password),
        "clickhouse": instance.clickhouse_url,
        "console": instance.console_url,
        "supervisor_pid": instance.supervisor_pid,
        "roles": {
            child.role: {"pid": child.pid, "state": child.state, "restarts": child.restarts}
            for child in instance.children
        },
        "left_out": instance.left_out,
    }


def _memory(pid: int) -> float:
    """Megabytes; of what processes share, each has its part, where the system tells (Linux)."""
    with suppress(psutil.AccessDenied, AttributeError):
        return float(psutil.Process(pid).memory_full_info().pss / 1e6)
    return psutil.Process(pid).memory_info().rss / 1e6


def _show(directory: Path) -> None:
    instance = instances.read(directory)
    assert instance is not None
    rows = []
    counted: set[int] = set()
    for child in instance.children:
        state = child.state if instances.alive(child) or child.state != "running" else "gone"
        memory = _memory(child.pid) if instances.alive(child) else 0.0
        # Roles that share a process have its memory together.
        shown = "″" if child.pid in counted else f"{memory:.0f} MB"
        counted.add(child.pid)
        rows.append((child.role, state, child.pid, child.restarts, shown))
    table(("role", "state", "pid", "restarts", "memory"), rows)
    if instance.left_out:
        console.print(f"left out    {', '.join(instance.left_out)}   (what they read waits)")
    console.print(
        f"Kafka       {instance.bootstrap_servers}{'   (asks for a password)' if instance.kafka_password else ''}"
    )
    console.print(f'ClickHouse  {instance.clickhouse_url}   (interlock sql "SELECT …")')
    console.print(f"data, logs  {directory}")
    if "console" not in instance.left_out:
        console.print(f"console     {instance.console_url}   (where people work)")
