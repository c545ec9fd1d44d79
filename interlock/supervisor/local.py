"""What a local instance consists of, and in which order it comes up."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from interlock.connect import Platform
from interlock.reachable import answers, kafka_problem, listens
from interlock.supervisor.instance import Instance
from interlock.supervisor.processes import Process, role_command
from interlock.supervisor.supervisor import Supervisor
from streams.embedded_kafka.settings import free_port


def supervisor(platform: Platform, instance: Instance, announce: Callable[[str], None]) -> Supervisor:
    """The supervisor of a whole local instance, not yet started."""
    data_dir = platform.settings.data_dir
    environment = _environment(platform, instance)
    router_port, desk_port, sink_port = free_port(), free_port(), free_port()
    processes = [
        _process("broker", data_dir, environment, lambda: broker_serves(instance)),
        _process("warehouse", data_dir, environment, lambda: answers(f"{instance.clickhouse_url}/ping")),
        _process("sink", data_dir, environment, lambda: listens(sink_port), sink_port),
        _process("router", data_dir, environment, lambda: listens(router_port), router_port),
        _process("desk", data_dir, environment, lambda: listens(desk_port), desk_port),
        *_executors(platform, environment),
    ]

    def prepare() -> None:
        from interlock.prepare import create_topics, migrate

        announce("topics and tables")
        create_topics(platform)
        migrate(platform)

    return Supervisor(data_dir, instance, processes, {"warehouse": prepare}, announce)


def broker_serves(instance: Instance) -> bool:
    """Whether the embedded broker answers; quick to say no while nobody listens."""
    return listens(instance.kafka_port) and not kafka_problem({"bootstrap.servers": instance.bootstrap_servers})


def _executors(platform: Platform, environment: Mapping[str, str]) -> list[Process]:
    """What tells the outside world, where the settings say whom."""
    settings = platform.settings
    wanted = {"webhooks": bool(settings.webhooks.url), "notifier": bool(settings.alerts.urls)}
    found = []
    for role in (name for name, needed in wanted.items() if needed):
        port = free_port()
        found.append(_process(role, settings.data_dir, environment, partial(listens, port), port))
    return found


def _process(
    role: str,
    data_dir: Path,
    environment: Mapping[str, str],
    ready: Callable[[], bool],
    metrics_port: int = 0,
) -> Process:
    return Process(
        role=role,
        command=role_command(role),
        environment={**environment, "INTERLOCK_METRICS_PORT": str(metrics_port)},
        log_file=data_dir / "logs" / f"{role}.log",
        ready=ready,
        metrics_port=metrics_port,
    )


def _environment(platform: Platform, instance: Instance) -> dict[str, str]:
    return {
        "INTERLOCK_DATA_DIR": str(platform.settings.data_dir.absolute()),
        "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": instance.bootstrap_servers,
        "INTERLOCK_CLICKHOUSE__URL": instance.clickhouse_url,
        "INTERLOCK_CLICKHOUSE__PASSWORD": instance.writer_password,
        "INTERLOCK_CLICKHOUSE__ANALYST_PASSWORD": instance.analyst_password,
        "INTERLOCK_ROUTER__AUDIT_KEY": instance.audit_key,
    }
