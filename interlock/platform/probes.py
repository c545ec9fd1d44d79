"""Whether a server answers at an address."""

import socket
from collections.abc import Mapping
from urllib.error import URLError
from urllib.request import urlopen

# Long enough for a TLS handshake across a continent, short enough for a person who waits.
KAFKA_TIMEOUT_SECONDS = 5.0


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
