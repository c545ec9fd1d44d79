"""Whether a server answers at an address."""

import json
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from interlock.platform.instance import Instance

# Long enough for a TLS handshake across a continent, short enough for a person who waits.
KAFKA_TIMEOUT_SECONDS = 5.0

# What a role serves beside its metrics: 200 or 503 with the reason for which a supervisor should restart it, and the
# findings of the watch.
HEALTH_PATH = "/healthz"
FINDINGS_PATH = "/findings"

# On loopback; a role answers in a thread that waits for nothing, however busy it is.
_ROLE_TIMEOUT_SECONDS = 2.0


def kafka_problem(properties: Mapping[str, str | int | float | bool]) -> str | None:
    """Why no broker answers a request for metadata; None if one does. `properties` are librdkafka's."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    # Its log would repeat on the terminal what this function returns.
    admin = AdminClient({**properties, "log_level": 0})
    try:
        # Metadata may be asked for with any time-out. Requests about groups may not: where they time out, librdkafka
        # aborts the process (see `interlock.streams.embedded_kafka.broker`).
        admin.list_topics(timeout=KAFKA_TIMEOUT_SECONDS)
    except KafkaException as error:
        return str(error.args[0].str())
    return None


def listens(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server accepts connections."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def answers(url: str) -> bool:
    """Whether an HTTP server answers with success."""
    try:
        with urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def role_problem(port: int) -> str | None:
    """Why the role that serves on this port asks to be restarted, None if it does not. Raises OSError if it does not
    answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{HEALTH_PATH}", timeout=_ROLE_TIMEOUT_SECONDS):
            return None
    except HTTPError as error:
        with error:
            return error.read().decode(errors="replace") if error.code == 503 else None


def watch_findings(port: int) -> list[dict[str, Any]]:
    """The findings of the watch that serves on this port. Raises OSError if it does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{FINDINGS_PATH}", timeout=_ROLE_TIMEOUT_SECONDS) as response:
            found: list[dict[str, Any]] = json.load(response)
    except ValueError as error:  # another program has the port now
        raise OSError(str(error)) from error
    return found


def summary(findings: Iterable[tuple[str, str, str]]) -> list[str]:
    """Lines for a person, one for each kind and group of (kind, group, text): a sink reads dozens of partitions."""
    texts: dict[tuple[str, str], list[str]] = {}
    for kind, group, text in findings:
        texts.setdefault((kind, group), []).append(text)
    return [
        f"{kind.replace('_', ' ')}: {first}" + (f" So it is in {len(more)} more of its partitions." if more else "")
        for (kind, _), (first, *more) in texts.items()
    ]


def known_findings(instance: "Instance") -> list[dict[str, Any]] | None:
    """What the watch of a local instance has found; None if it does not answer."""
    for child in instance.children:
        if child.role == "watch" and child.metrics_port:
            try:
                return watch_findings(child.metrics_port)
            except OSError:
                return None
    return None
