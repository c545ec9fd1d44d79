"""How the embedded broker runs: settings, and the server.properties made from them."""

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Self

HOST = "127.0.0.1"  # the broker has no authentication, so nothing else can ever be bound

_TEMPLATE = Path(__file__).with_name("server.properties")

# Below the range from which systems take ports for outgoing connections: a broker that is down for a
# moment must find its port free again, and a client retrying on loopback must not connect to itself.
_FREE_PORTS = range(20_000, 32_000)


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """One embedded broker. `data_dir` holds everything it writes and may be kept between runs."""

    data_dir: Path
    port: int
    controller_port: int
    heap: str = "512m"  # measured: 250 MB resident at start, 310 MB after 1.5 million messages
    partitions: int = 4  # of a topic created without saying how many
    # Four times what clients send by default: room for prefixes and headers, bounded memory per request.
    max_message_bytes: int = 4 * 1024 * 1024
    java_options: tuple[str, ...] = ()  # of the broker's JVM, behind our own

    @classmethod
    def on_free_ports(cls, data_dir: Path, heap: str = "512m") -> Self:
        """Settings for a broker of which only the directory matters, as in tests."""
        port = free_port()
        while (controller_port := free_port()) == port:
            pass
        return cls(data_dir, port, controller_port, heap)

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log_dir(self) -> Path:
        """Kafka's `log.dirs`: the messages themselves."""
        return self.data_dir / "data"


def server_properties(settings: BrokerSettings) -> str:
    """The text of server.properties."""
    return Template(_TEMPLATE.read_text()).substitute(
        port=settings.port,
        controller_port=settings.controller_port,
        log_dir=settings.log_dir.absolute(),
        partitions=settings.partitions,
        max_message_bytes=settings.max_message_bytes,
    )


def free_port() -> int:
    """A TCP port of the loopback interface that no process listens on. Another process may still take it first."""
    while not is_free(port := secrets.choice(_FREE_PORTS)):
        pass
    return port


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As Kafka itself does: connections of a predecessor that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
