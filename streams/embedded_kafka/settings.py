"""How the embedded broker runs: settings, and the server.properties made from them."""

import secrets
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Self

HOST = "127.0.0.1"  # without TLS, and mostly without authentication, nothing else can ever be bound

# Who a client of a broker with a password is, and may do everything.
USER = "interlock"

# In a cluster: every broker has everything, and two must have a record before it is acknowledged.
_MIN_INSYNC = 2

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
    # Asked of clients, other brokers and controllers; empty: nothing is asked.
    password: str = field(default="", repr=False)
    # Further users of a broker with a password, and theirs: they may do what access control lists allow, and no more.
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Kafka's own settings, which win over ours: further listeners with TLS, for example. They may hold passwords.
    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Of a cluster: the controller ports of the nodes 1, 2, …, which of them this is, and the id they share.
    cluster: tuple[int, ...] = ()
    node_id: int = 1
    cluster_id: str = ""

    @classmethod
    def on_free_ports(cls, data_dir: Path, heap: str = "512m") -> Self:
        """Settings for a broker of which only the directory matters, as in tests."""
        port = free_port()
        return cls(data_dir, port, free_port({port}), heap)

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def log_dir(self) -> Path:
        """Kafka's `log.dirs`: the messages themselves."""
        return self.data_dir / "data"


def password_properties(password: str, user: str = USER) -> dict[str, str]:
    """librdkafka's properties for a user of a broker with that password; none for an empty one."""
    if not password:
        return {}
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": user,
        "sasl.password": password,
    }


def server_properties(settings: BrokerSettings) -> str:
    """The text of server.properties, which holds the password."""
    nodes = enumerate(settings.cluster, 1)
    quorum = (
        f"controller.quorum.voters={','.join(f'{node}@{HOST}:{port}' for node, port in nodes)}"
        if settings.cluster
        else f"controller.quorum.bootstrap.servers={HOST}:{settings.controller_port}"
    )
    text = Template(_TEMPLATE.read_text()).substitute(
        port=settings.port,
        controller_port=settings.controller_port,
        node_id=settings.node_id,
        quorum=quorum,
        security="\n".join(_security(settings.password, settings.users)),
        protocol="SASL_PLAINTEXT" if settings.password else "PLAINTEXT",
        replicas=len(settings.cluster) or 1,
        min_insync=min(len(settings.cluster) or 1, _MIN_INSYNC),
        session_ms=9000 if settings.cluster else 2600,
        log_dir=settings.log_dir.absolute(),
        partitions=settings.partitions,
        max_message_bytes=settings.max_message_bytes,
    )
    # Of two lines with one name Java takes the later one.
    return "\n".join([text, *(f"{name}={value}" for name, value in settings.properties.items()), ""])


def _security(password: str, users: Mapping[str, str]) -> list[str]:
    if not password:
        if users:
            raise ValueError("a broker without a password knows no users")
        return []
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    accounts = " ".join(f'user_{name}="{secret}"' for name, secret in {USER: password, **users}.items())
    login = f'{module} required username="{USER}" password="{password}" {accounts};'
    authorizer = [
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        f"super.users=User:{USER}",
    ]
    return [
        *(authorizer if users else []),
        "listener.security.protocol.map=SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "security.inter.broker.protocol=SASL_PLAINTEXT",
        "sasl.enabled.mechanisms=PLAIN",
        "sasl.mechanism.inter.broker.protocol=PLAIN",
        "sasl.mechanism.controller.protocol=PLAIN",
        f"listener.name.sasl_plaintext.plain.sasl.jaas.config={login}",
        f"listener.name.controller.plain.sasl.jaas.config={login}",
    ]


def free_port(besides: Collection[int] = ()) -> int:
    """A TCP port of the loopback interface that no process listens on, and none of `besides`, which somebody is about
    to take. Another process may still take it first."""
    while (port := secrets.choice(_FREE_PORTS)) in besides or not is_free(port):
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
