"""Webhooks: whether what takes effect reaches the other system."""

from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from interlock.api.backend import Backend
from interlock.api.problems import Problem
from interlock.executors.execution import Execution
from interlock.executors.webhook import WebhookSender
from interlock.operations.letters import TOPIC, letter_of
from interlock.platform.groups import watched_groups
from interlock.schemas.times import moment
from interlock.streams.dispatch.deliveries import PermanentError, RetryLater
from interlock.streams.latest import latest
from interlock.streams.ports import Message
from interlock.streams.progress_reader import ProgressReader

# The latest failures: who needs more of them looks at the dead letters.
_FAILURES = 20


def webhook_facts(backend: Backend) -> dict[str, Any]:
    """Where webhooks go, how far their group is, and what was given up lately. Raises KafkaException."""
    settings = backend.platform.settings.webhooks

    def failure(message: Message) -> dict[str, Any] | None:
        letter = letter_of(message)
        if letter.step != settings.group:
            return None
        return {**letter.facts(), "at": moment(message.timestamp()[1] * 1000)}

    failures, _ = latest(backend.broker, TOPIC, failure, _FAILURES)
    return {
        "receiver": _receiver(settings.url),
        "group": settings.group,
        "partitions": _progress(backend),
        "failures": failures,
    }


def send_test(backend: Backend) -> dict[str, Any]:
    """Posts a signed webhook of type `decision.test` and waits for the answer. Raises Problem."""
    settings = backend.platform.settings.webhooks
    if not settings.url or settings.secret is None:
        detail = "this server knows no receiver: set INTERLOCK_WEBHOOKS__URL and INTERLOCK_WEBHOOKS__SECRET here too"
        raise Problem(409, "no-webhook", detail)
    secrets = [secret.get_secret_value() for secret in (settings.secret, settings.previous_secret) if secret]
    name = f"test-{uuid4().hex}"
    at = datetime.fromtimestamp(backend.now() / 1e6, UTC)
    execution = Execution(f"{name}/1/test", "test", name, 1, "", "", at, reason_text="a test: nothing is to be done")
    try:
        with closing(WebhookSender(settings.url, secrets, timeout_seconds=settings.timeout_seconds)) as post:
            post(execution)
    except ValueError as error:
        raise Problem(409, "no-webhook", f"INTERLOCK_WEBHOOKS__URL or …__SECRET is wrong: {error}") from error
    except (PermanentError, RetryLater) as error:
        raise Problem(502, "not-delivered", f"{_receiver(settings.url)} did not take the webhook: {error}") from error
    return {"receiver": _receiver(settings.url), "webhook_id": execution.action_id, "delivered": True}


def _progress(backend: Backend) -> list[dict[str, Any]]:
    (group,) = [one for one in watched_groups(backend.platform.settings) if one.role == "webhooks"]
    with closing(ProgressReader(backend.broker)) as reader:
        return [
            {"topic": topic, "partition": number, "committed": progress.committed, "lag": progress.lag}
            for (topic, number), progress in sorted(reader.observe(group).items())
        ]


def _receiver(url: str | None) -> str | None:
    """The address without what may be secret in it: user, password, path and query."""
    if not url:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
