"""Executors as services: a memory of what was done, and one member of a consumer group."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

import structlog
from confluent_kafka import KafkaException

from interlock.errors import InterlockError, OperatorRequiredError
from interlock.platform.connection import Platform
from interlock.services.endpoint import serve
from interlock.services.retry import wait_until_available
from interlock.streams.dispatch.seen import Seen, SqliteSeen
from interlock.streams.metrics import Metrics

log = structlog.get_logger()


class Member(Protocol):
    def run(self, stop: threading.Event) -> None: ...


def run_member(
    platform: Platform,
    stop: threading.Event,
    name: str,
    group: str,
    join: Callable[[Seen], Member],
    metrics: Metrics,
) -> None:
    """Runs the member that `join` makes until `stop` is set, with a file that remembers what was done. Raises
    OperatorRequiredError where Kafka refuses, InterlockError where the file cannot be used."""
    # One file for each process of a group.
    path = platform.settings.data_dir / "executors" / f"{group}-{platform.settings.instance_id}.sqlite"
    try:
        seen = SqliteSeen(path)
    except (sqlite3.Error, OSError) as error:
        raise _cannot_remember(path, name, error) from error
    with closing(seen):
        member = wait_until_available(lambda: join(seen), stop)
        if member is None:
            return
        serve(metrics, platform.settings)
        log.info("runs", role=name, kafka=platform.bootstrap_servers)
        try:
            member.run(stop)
        except KafkaException as error:
            raise OperatorRequiredError(f"{name} stops: {error.args[0].str()}") from error
        except sqlite3.Error as error:
            raise _cannot_remember(path, name, error) from error
    log.info("stopped", role=name)


def _cannot_remember(path: Path, name: str, error: Exception) -> InterlockError:
    return InterlockError(
        f"{path}, where {name} remembers what was done, cannot be used: {error}. Is there room, and leave?"
    )
