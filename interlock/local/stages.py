"""What a local instance consists of, and in which order it comes up."""

import difflib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from interlock.errors import UsageError
from interlock.local.forked import PREPARE, ForkServer
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


# Roles that tell the outside world, and the setting that names the address.
TELLING = {"webhooks": "INTERLOCK_WEBHOOKS__URL", "notifier": "INTERLOCK_ALERTS__URLS"}

# Whatever else runs needs these two.
SERVERS = ("kafka", "clickhouse")


def supervisor(platform: Platform, instance: Instance, report: Report, timeout: float | None) -> Supervisor:
    """The supervisor of a whole local instance, not yet started; `timeout` as for Supervisor."""
    data_dir = platform.settings.data_dir
    environment = _environment(platform, instance)
    # Elsewhere than on Linux, libraries of the system do not survive a fork.
    forks = ForkServer(environment, data_dir / "logs" / "fork-server.log") if sys.platform == "linux" else None
    stages = [
        [
            _process("kafka", data_dir, environment, lambda: broker_serves(instance)),
            _process("clickhouse", data_dir, environment, lambda: answers(f"{instance.clickhouse_url}/ping")),
        ],
        [_role(role, data_dir, environment, instance, forks) for role in roles(platform.settings)],
        [_with_metrics(WATCH, data_dir, environment, forks)] if WATCH not in platform.settings.without else [],
    ]
    instance.left_out = list(platform.settings.without)

    def prepare() -> None:
        started = time.monotonic()
        report.status("creating topics and tables")
        if forks is not None:  # what it needs, the supervisor would have to import, and keep
            _process(PREPARE, data_dir, environment, None, forks=forks).run()
        else:
            from interlock.platform.provisioning import prepare as prepare_all

            prepare_all(platform)
        report.line(f"topics and tables ready after {time.monotonic() - started:.1f} s")

    return Supervisor(data_dir, instance, stages, {"clickhouse": prepare}, report, timeout, forks)


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


def _role(
    role: str, data_dir: Path, environment: Mapping[str, str], instance: Instance, forks: ForkServer | None
) -> Process:
    if role != "console":
        return _with_metrics(role, data_dir, environment, forks)
    own = {"INTERLOCK_API__PORT": str(instance.console_port)}
    return _process(role, data_dir, {**environment, **own}, partial(listens, instance.console_port), forks=forks)


def _with_metrics(role: str, data_dir: Path, environment: Mapping[str, str], forks: ForkServer | None) -> Process:
    """A role whose metrics port is the sign that it serves."""
    return _process(role, data_dir, environment, None, free_port(), forks)


def _process(
    role: str,
    data_dir: Path,
    environment: Mapping[str, str],
    ready: Callable[[], bool] | None,
    metrics_port: int = 0,
    forks: ForkServer | None = None,
) -> Process:
    return Process(
        role=role,
        command=role_command(role),
        environment=environment,
        log_file=data_dir / "logs" / f"{role}.log",
        ready=ready,
        metrics_port=metrics_port,
        forks=forks,
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
