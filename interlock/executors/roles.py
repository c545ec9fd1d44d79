"""The executors as roles: webhooks and notifier."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

import structlog
from confluent_kafka import KafkaException

from interlock.connect import Platform
from interlock.errors import Exit, UserError
from interlock.executors.seen import Seen, SqliteSeen
from interlock.patience import when_available
from interlock.roles import serve_metrics, stop_on_signals
from streams.metrics import Metrics

log = structlog.get_logger()


class _Member(Protocol):
    def run(self, stop: threading.Event) -> None: ...


def webhooks(platform: Platform) -> None:
    """Posts what takes effect to another system."""
    from interlock.executors.deliveries import Schedule
    from interlock.executors.stream import Executor
    from interlock.executors.webhook import WebhookSender

    chosen = platform.settings.webhooks
    if not chosen.url or chosen.secret is None:
        raise UserError(
            "webhooks need INTERLOCK_WEBHOOKS__URL, where executions are posted, and INTERLOCK_WEBHOOKS__SECRET, which "
            "signs them (for example whsec_ and the output of `openssl rand -base64 32`).",
            Exit.NEEDS_A_PERSON,
        )
    secrets = [one.get_secret_value() for one in (chosen.secret, chosen.previous_secret) if one is not None]
    try:
        sender = WebhookSender(chosen.url, secrets, timeout_seconds=chosen.timeout_seconds)
    except ValueError as error:
        raise UserError(f"INTERLOCK_WEBHOOKS__URL or …__SECRET is wrong: {error}", Exit.NEEDS_A_PERSON) from error
    metrics = Metrics("webhooks")

    def join(seen: Seen) -> Executor:
        return Executor(
            platform.serving_kafka(),
            chosen.group,
            sender,
            seen=seen,
            schedule=Schedule(chosen.attempts),
            concurrency=chosen.concurrency,
            metrics=metrics,
        )

    with closing(sender):
        _run(platform, "webhooks", chosen.group, join, metrics)


def notifier(platform: Platform) -> None:
    """Sends alerts to people."""
    from interlock.executors.notify import Notifier

    chosen = platform.settings.alerts
    if not chosen.urls:
        log.warning("no INTERLOCK_ALERTS__URLS: alerts reach only reviewers with a contact")
    metrics = Metrics("notifier")

    def join(seen: Seen) -> Notifier:
        return Notifier(
            platform.serving_kafka(),
            chosen.group,
            [url.get_secret_value() for url in chosen.urls],
            seen=seen,
            metrics=metrics,
        )

    _run(platform, "notifier", chosen.group, join, metrics)


def _run(platform: Platform, name: str, group: str, join: Callable[[Seen], _Member], metrics: Metrics) -> None:
    stop = stop_on_signals()
    # One file for each process of a group.
    path = platform.settings.data_dir / "executors" / f"{group}-{platform.settings.instance_id}.sqlite"
    try:
        seen = SqliteSeen(path)
    except (sqlite3.Error, OSError) as error:
        raise _cannot_remember(path, name, error) from error
    with closing(seen):
        member = when_available(lambda: join(seen), stop)
        if member is None:
            return
        serve_metrics(metrics, platform.settings.metrics_port)
        log.info("runs", role=name, kafka=platform.bootstrap_servers)
        try:
            member.run(stop)
        except KafkaException as error:
            raise UserError(f"{name} stops: {error.args[0].str()}", Exit.NEEDS_A_PERSON) from error
        except sqlite3.Error as error:
            raise _cannot_remember(path, name, error) from error
    log.info("stopped", role=name)


def _cannot_remember(path: Path, name: str, error: Exception) -> UserError:
    return UserError(
        f"{path}, where {name} remembers what was done, cannot be used: {error}. Is there room, and leave?"
    )
