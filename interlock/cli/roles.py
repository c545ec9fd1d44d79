"""`interlock run`: one role, or several, in this process."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from functools import partial
from importlib import import_module
from typing import Annotated

import typer

from interlock.cli.common import DataDir
from interlock.platform import connection


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
    NOTICES = "notices"
    WATCH = "watch"
    API = "api"
    CONSOLE = "console"


# Roles that are packages of their own.
_MODULES = {Role.API: "interlock.api.server", Role.CONSOLE: "interlock.console.server"}

# Of which access control lists the rights are, where they have another name.
_ACLS = {Role.API: "console", Role.WEBHOOKS: "executor"}


def run(role: Annotated[Role, typer.Argument(help="Which one.")], data_dir: DataDir = None) -> None:
    """Run one role in the foreground against the Kafka and ClickHouse named in the settings: what containers run.

    Examples:

        INTERLOCK_KAFKA__BOOTSTRAP_SERVERS=kafka:9092 interlock run router
    """
    from interlock.platform.log_config import configure

    platform = connection.connect(data_dir)
    configure(platform.settings.log_format)
    if role in (Role.KAFKA, Role.CLICKHOUSE):
        import_module(f"interlock.services.{role.value}").run(platform)
        return
    from interlock.services.signals import stop_on_signals

    _serve(role, platform, stop_on_signals())


def run_together(ports: Mapping[Role, int]) -> None:
    """Runs several roles in this process, each with a metrics port of its own."""
    import structlog

    from interlock.platform.log_config import configure
    from interlock.services.signals import stop_on_signals
    from interlock.services.together import run_in_threads

    platform = connection.connect(None)
    configure(platform.settings.log_format)

    def serve(role: Role, port: int, stop: threading.Event) -> None:
        structlog.contextvars.bind_contextvars(role=role.value)
        _serve(role, replace(platform, settings=platform.settings.model_copy(update={"metrics_port": port})), stop)

    run_in_threads({role.value: partial(serve, role, port) for role, port in ports.items()}, stop_on_signals())


def _serve(role: Role, platform: connection.Platform, stop: threading.Event) -> None:
    from interlock.operations.rights import check_rights

    checked = partial(check_rights, role=_ACLS.get(role, role.value), settings=platform.settings)
    module = import_module(_MODULES.get(role, f"interlock.services.{role.value}"))
    module.run(replace(platform, on_kafka=checked), stop)
