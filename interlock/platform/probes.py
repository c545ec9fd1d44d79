"""Whether a server answers at an address."""

import json
import socket
import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

if TYPE_CHECKING:
    from interlock.platform.instance import Instance

if TYPE_CHECKING:
    from interlock.streams.kafka_trouble import Trouble

# Together long enough for a TLS handshake across a continent, short enough for a person who waits. The first ones are
# short because a wrong password is known after half a second.
_ATTEMPT_SECONDS = (0.5, 0.5, 1.0, 3.0)

# What a role serves beside its metrics: 200 or 503 with the reason for which a supervisor should restart it, and the
# findings of the watch.
HEALTH_PATH = "/healthz"
FINDINGS_PATH = "/findings"

# On loopback; a role answers in a thread that waits for nothing, however busy it is.
_ROLE_TIMEOUT_SECONDS = 2.0


def kafka_problem(properties: Mapping[str, str | int | float | bool]) -> "Trouble | None":
    """Why no broker answers a request for metadata; None if one does. `properties` are librdkafka's. Raises
    PropertyError where they are wrong."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.admin import AdminClient

    from interlock.streams.kafka_properties import checked, wrong_property
    from interlock.streams.kafka_trouble import Trouble, trouble

    servers = str(properties["bootstrap.servers"])
    given = checked({name: str(value) for name, value in properties.items() if name != "bootstrap.servers"})
    events: list[KafkaError] = []
    try:
        # Its log would repeat on the terminal what this function returns.
        config: dict[str, Any] = {**given, "bootstrap.servers": servers, "log_level": 0, "error_cb": events.append}
        admin = AdminClient(config)
    except KafkaException as error:
        raise wrong_property(error, given) or error from error
    protocol = given.get("security.protocol", "plaintext").upper()
    host, port = _first(servers)
    problem = ""
    for number, seconds in enumerate(_ATTEMPT_SECONDS):
        try:
            # Metadata may be asked for with any time-out. Requests about groups may not: where they time out,
            # librdkafka aborts the process (see `interlock.streams.embedded_kafka.broker`).
            admin.list_topics(timeout=seconds)
        except KafkaException as error:
            problem = str(error.args[0].str())
            admin.poll(0)  # what is wrong is told in events only
            for found in filter(None, (trouble(event, given) for event in events)):
                return found
            # Of a broker that drops who speaks another protocol librdkafka tells nothing. Tried once: where nothing
            # answers at all, it takes time.
            if number == 1 and not protocol.endswith("SSL") and _speaks_tls(host, port):
                text = f"the port speaks TLS, and security.protocol is {protocol}: is it SASL_SSL or SSL?"
                return Trouble(text, certain=False)
        else:
            return None
    return Trouble(_asks_for_password(host, port, protocol) or problem, certain=False)


def _asks_for_password(host: str, port: int, protocol: str) -> str | None:
    """What to try where a server listens and drops whoever speaks `protocol`."""
    if not protocol.startswith("SASL_") and listens(port, host):
        return (
            f"a server listens there and does not answer, and security.protocol is {protocol}: it may ask for a "
            f"password (SASL_{protocol} with sasl.mechanism, sasl.username and sasl.password)"
        )
    return None


def _first(servers: str) -> tuple[str, int]:
    """Host and port of the first of `servers`; librdkafka's port where there is none."""
    host, colon, port = servers.split(",", 1)[0].strip().rpartition("://")[2].rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdigit() else (port, 9092)


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=2) as plain, context.wrap_socket(plain):
            return True
    except OSError:
        return False


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
