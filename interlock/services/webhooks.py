"""Webhooks as a service: what takes effect is posted to another system."""

import threading
from contextlib import closing

from interlock.errors import OperatorRequiredError
from interlock.executors.stream import Executor
from interlock.executors.webhook import WebhookSender
from interlock.platform.connection import Platform
from interlock.services.executors import run_member
from interlock.streams.dispatch.deliveries import Schedule
from interlock.streams.dispatch.seen import Seen
from interlock.streams.metrics import Metrics


def run(platform: Platform, stop: threading.Event) -> None:
    """Posts what takes effect to another system."""

    chosen = platform.settings.webhooks
    if not chosen.url or chosen.secret is None:
        raise OperatorRequiredError(
            "webhooks need INTERLOCK_WEBHOOKS__URL, where executions are posted, and INTERLOCK_WEBHOOKS__SECRET, which "
            "signs them (for example whsec_ and the output of `openssl rand -base64 32`).",
        )
    configured = (chosen.secret, chosen.previous_secret)
    secrets = [secret.get_secret_value() for secret in configured if secret is not None]
    try:
        sender = WebhookSender(chosen.url, secrets, timeout_seconds=chosen.timeout_seconds)
    except ValueError as error:
        raise OperatorRequiredError(f"INTERLOCK_WEBHOOKS__URL or …__SECRET is wrong: {error}") from error
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
            keys=platform.keys_to_read,
        )

    with closing(sender):
        run_member(platform, stop, "webhooks", chosen.group, join, metrics)
