"""What a local instance consists of, and in which order it comes up."""

import difflib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from interlock.errors import UsageError
from interlock.local.forked import PREPARE, SERVERS, ForkServer, Serve
from interlock.local.processes import Process, role_command
from interlock.local.supervisor import Report, Supervisor
from interlock.platform.connection import Platform
from interlock.platform.instance import Instance
from interlock.platform.probes import answers, kafka_problem, listens
from interlock.platform.settings import Settings
from interlock.streams.embedded_kafka.settings import free_port

# Roles that need nothing but Kafka and ClickHouse; they wait for one another by themselves.
ROLES = ("sink", "router", "desk", "feedback", "calibration", "sampler", "notices", "console")

# Starts when the others serve: what they have not joined yet is no finding, however slow the machine is.
WATCH = "watch"

# Roles with little to do, which share a process: each of its own would take some 30 MB more.
LIGHT = ("feedback", "calibration", "sampler", "notices", WATCH)

# The name of that process.
BACKGROUND = "background"

# Roles that tell the outside world, and the setting that names the address.
TELLING = {"webhooks": "INTERLOCK_WEBHOOKS__URL", "notifier": "INTERLOCK_ALERTS__URLS"}


def fork_server(platform: Platform, instance: Instance, serve: Serve) -> ForkServer | None:
    """The server from which everything is forked, started; None where nothing can be. `serve` as for ForkServer."""
    if sys.platform != "linux":  # elsewhere libraries of the system do not survive a fork
        return None
    forks = ForkServer(_environment(platform, instance), platform.settings.data_dir / "logs" / "fork-server.log", serve)
    forks.start()
    return forks


def supervisor(
    platform: Platform, instance: Instance, report: Report, timeout: float | None, forks: ForkServer | None = None
) -> Supervisor:
    """The supervisor of a whole local instance, not yet started; `timeout` as for Supervisor. Without `forks` every
    process imports for itself what it consists of."""
    data_dir = platform.settings.data_dir
    environment = _environment(platform, instance)
    processes = _Processes(data_dir, environment, instance, forks, instance.ports)
    stages = [
        [
            processes.server("kafka", lambda: broker_serves(instance)),
            processes.server("clickhouse", lambda: answers(f"{instance.clickhouse_url}/ping")),
        ],
        *_role_stages(platform.settings, processes),
    ]
    instance.left_out = list(platform.settings.without)

    def prepare() -> None:
        started = time.monotonic()
        report.status("creating topics and tables")
        if forks is not None:  # what it needs, the supervisor would have to import, and keep
            processes.preparation().run()
        else:
            from interlock.platform.provisioning import prepare as prepare_all

            prepare_all(platform)
        report.line(f"topics and tables ready after {time.monotonic() - started:.1f} s")

    return Supervisor(data_dir, instance, stages, {"clickhouse": prepare}, report, timeout, forks)


def _role_stages(settings: Settings, processes: "_Processes") -> list[list[Process]]:
    started = [*roles(settings), *([WATCH] if WATCH not in settings.without else [])]
    light = [role for role in started if role in LIGHT]
    shares = processes.forks is not None and len(light) > 1
    last = light if shares else [role for role in light if role == WATCH]
    first = [processes.role(role) for role in started if role not in last]
    return [first, [processes.shared(last)] if shares else [processes.role(role) for role in last]]


def broker_serves(instance: Instance) -> bool:
    """Whether the embedded broker answers. A closed port needs no request, which would take seconds."""
    return listens(instance.kafka_port) and not kafka_problem(
        {**instance.kafka_properties, "bootstrap.servers": instance.bootstrap_servers}
    )


def roles(settings: Settings) -> list[str]:
    """The roles to start beside Kafka, ClickHouse and the watch: those that tell the outside world where the settings
    name an address, and none that the settings leave out. Raises UsageError where these name no role."""
    _check(settings.without, "INTERLOCK_WITHOUT")
    wanted = _telling(settings)
    started = [*ROLES, *(role for role, needed in wanted.items() if needed)]
    return [role for role in started if role not in settings.without]


def left_out(chosen: str, settings: Settings) -> list[str]:
    """What `--roles` leaves out, `chosen` being roles with commas between them. Raises UsageError."""
    names = [name.strip() for name in chosen.split(",") if name.strip()]
    if not names:
        raise UsageError("--roles names no role: choose from " + ", ".join((*ROLES, WATCH, *TELLING)))
    _check([name for name in names if name not in SERVERS], "--roles")
    idle = [role for role, addressed in _telling(settings).items() if not addressed]
    for role in idle:
        if role in names:
            raise UsageError(f"--roles: {role} has nobody to tell anything: set {TELLING[role]}")
    return [role for role in (*ROLES, WATCH, *TELLING) if role not in (*names, *idle)]


def _telling(settings: Settings) -> dict[str, bool]:
    return {"webhooks": bool(settings.webhooks.url), "notifier": bool(settings.alerts.urls)}


def _check(names: Sequence[str], where: str) -> None:
    known = (*ROLES, WATCH, *TELLING)
    for name in names:
        if name in SERVERS:
            raise UsageError(f"{where}: {name} cannot be left out, as every role needs it")
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise UsageError(f"{where}: there is no role {name!r}{meant}: choose from {', '.join(known)}")


@dataclass(frozen=True)
class _Processes:
    """Makes the processes of one instance."""

    data_dir: Path
    environment: Mapping[str, str]
    instance: Instance
    forks: ForkServer | None
    taken: set[int]
    """Ports that somebody is about to listen on."""

    def server(self, name: str, ready: Callable[[], bool]) -> Process:
        return self._process(name, ready, {})

    def preparation(self) -> Process:
        """Creates topics and tables, and ends."""
        return self._process(PREPARE, None, {})

    def role(self, role: str) -> Process:
        """Its metrics port is the sign that it serves; the console has a port of its own."""
        if role != "console":
            return self._process(role, None, {role: self._free_port()})
        port = self.instance.console_port
        console = replace(self, environment={**self.environment, "INTERLOCK_API__PORT": str(port)})
        return console._process(role, partial(listens, port), {})

    def shared(self, roles: Sequence[str]) -> Process:
        """One process for several roles."""
        ports = {role: self._free_port() for role in roles}
        return self._process(BACKGROUND, None, ports, apart=[self.role(role) for role in roles])

    def _free_port(self) -> int:
        port = free_port(self.taken)
        self.taken.add(port)
        return port

    def _process(
        self,
        name: str,
        ready: Callable[[], bool] | None,
        metrics_ports: dict[str, int],
        apart: Sequence[Process] = (),
    ) -> Process:
        return Process(
            name=name,
            command=role_command(name),
            environment=self.environment,
            log_file=self.data_dir / "logs" / f"{name}.log",
            ready=ready,
            metrics_ports=metrics_ports,
            forks=self.forks,
            apart=apart,
        )


def _environment(platform: Platform, instance: Instance) -> dict[str, str]:
    settings = platform.settings
    return {
        # The name of a laptop changes with its network, and the data directory is nobody else's.
        "INTERLOCK_INSTANCE_ID": settings.instance_id if "instance_id" in settings.model_fields_set else "1",
        # The watch looks for no progress of what does not run.
        "INTERLOCK_WITHOUT": json.dumps(settings.without),
        "INTERLOCK_DATA_DIR": str(platform.settings.data_dir.absolute()),
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": instance.bootstrap_servers,
        "INTERLOCK_KAFKA__PROPERTIES": json.dumps({**platform.settings.kafka.properties, **instance.kafka_properties}),
        "INTERLOCK_CLICKHOUSE__URL": instance.clickhouse_url,
        "INTERLOCK_CLICKHOUSE__PASSWORD": instance.writer_password,
        "INTERLOCK_CLICKHOUSE__ANALYST_PASSWORD": instance.analyst_password,
        "INTERLOCK_ROUTER__AUDIT_KEY": instance.audit_key,
        "INTERLOCK_API__SESSION_KEY": instance.session_key,
        # By default every few threads get a part of the heap of their own, of which most is never used.
        "MALLOC_ARENA_MAX": "2",
    }
