"""The notifier as a service: alerts reach people."""

import threading

import structlog

from interlock.executors.digests import Digests
from interlock.executors.notify import Notifier
from interlock.platform.connection import Platform
from interlock.services.executors import run_member
from interlock.streams.dispatch.seen import Seen
from interlock.streams.metrics import Metrics

log = structlog.get_logger()


def run(platform: Platform, stop: threading.Event) -> None:
    """Sends alerts to people."""

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
            contact_schemes=chosen.contact_schemes,
            digests=Digests(chosen.digest_seconds, chosen.quiet_seconds),
        )

    run_member(platform, stop, "notifier", chosen.group, join, metrics)
