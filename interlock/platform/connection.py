"""Where Kafka and ClickHouse are: from the settings, else from the local instance in the data directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from interlock.errors import InterlockError, KafkaAccessError, UnavailableError, UsageError
from interlock.platform import instance
from interlock.platform.instance import Instance
from interlock.platform.probes import kafka_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from clickhouse_connect.driver.client import Client as ClickHouseClient
    from confluent_kafka.admin import AdminClient

    from interlock.encryption.fields import Encryption
    from interlock.encryption.keys import KeyStore
    from interlock.platform.registry import Registry
    from interlock.platform.settings import Settings
    from interlock.schemas.signed_commands import Signer
    from interlock.streams.kafka import KafkaBroker

_NOWHERE = (
    "no {what} to talk to: start a local instance with `interlock up`, or set {variable}. "
    "(Looked for an instance in {dir}.)"
)


@dataclass(frozen=True)
class Platform:
    """Kafka and ClickHouse as the settings say how to reach them. `on_kafka` is called with a Kafka that answers before
    it is used; a role looks there whether it has its rights."""

    settings: "Settings"
    on_kafka: "Callable[[KafkaBroker], None] | None" = None

    @cached_property
    def instance(self) -> Instance | None:
        """The local instance, if one is described in the data directory."""
        return instance.read(self.settings.data_dir)

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address; raises InterlockError where no setting names it and no local instance runs."""
        if self.settings.kafka.bootstrap_servers:
            return self.settings.kafka.bootstrap_servers
        return self._running_instance("Kafka", "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS").bootstrap_servers

    @property
    def audit_key(self) -> bytes:
        """The secret of the audit coin; raises InterlockError if there is none."""
        configured = self.settings.router.audit_key
        if configured is None and self.instance is None:
            raise InterlockError(
                "the router needs INTERLOCK_ROUTER__AUDIT_KEY: 32 hex digits, the same for every router and kept "
                "secret from producers (for example from `openssl rand -hex 16`)."
            )
        return bytes.fromhex(configured.get_secret_value() if configured else self.instance.audit_key)  # type: ignore[union-attr]

    @property
    def session_key(self) -> bytes:
        """The secret that signs sessions of the API; raises InterlockError if there is none."""
        configured = self.settings.api.session_key
        key = configured.get_secret_value() if configured else self.instance.session_key if self.instance else ""
        if not key:
            raise InterlockError(
                "the API needs INTERLOCK_API__SESSION_KEY: 64 hex digits, the same for every API process (for example "
                "from `openssl rand -hex 32`). A local instance has one from its next `interlock up` on."
            )
        return bytes.fromhex(key)

    @cached_property
    def keys(self) -> "KeyStore":
        """The keys of subjects. Raises InterlockError where no master key is set, and UnavailableError."""
        from interlock.platform.keys import open_store

        return open_store(self.settings)

    @property
    def keys_to_seal(self) -> "KeyStore | None":
        """The same, for what writes to ClickHouse; None where rows are stored as they are."""
        match self.settings.encryption.seal:
            case None:
                return self.keys_to_read
            case wanted:
                return self.keys if wanted else None

    def encryption(self, *, wanted: bool = False) -> "Encryption | None":
        """What seals personal fields before they enter Kafka; None where the settings do not ask for it and it is not
        `wanted`. Raises as `keys`."""
        configured = self.settings.encryption
        if not (configured.kafka or wanted):
            return None
        from interlock.encryption.fields import Encryption

        return Encryption(self.keys, tuple(configured.kafka_attributes))

    @cached_property
    def keys_to_read(self) -> "KeyStore | None":
        """The same, for a process that reads what it can; None where it is not meant to have keys."""
        from interlock.platform.keys import has_master_key

        return self.keys if has_master_key(self.settings) else None

    @property
    def signer(self) -> "Signer | None":
        """What signs the commands that this process gives, if the settings say so."""
        from interlock.schemas.signed_commands import Signer

        signing = self.settings.signing
        return Signer(signing.name, bytes.fromhex(signing.key.get_secret_value())) if signing.key else None

    @property
    def is_local(self) -> bool:
        """Whether Kafka and ClickHouse are those of the local instance."""
        if self.instance is None:
            return False
        kafka, clickhouse = self.settings.kafka.bootstrap_servers, self.settings.clickhouse.url
        return kafka in (None, self.instance.bootstrap_servers) and clickhouse in (None, self.instance.clickhouse_url)

    @cached_property
    def _broker(self) -> "KafkaBroker":
        """One for the process: each has a client for questions about topics, whose threads wake up every second."""
        from interlock.streams.kafka import KafkaBroker

        return KafkaBroker(
            self.bootstrap_servers,
            self.kafka_properties,
            group_protocol=self.settings.kafka.group_protocol,
        )

    def kafka(self) -> "KafkaBroker":
        """Kafka. From now on schemas of the registry are looked up there as well, if the settings name one."""
        from interlock.schemas import written
        from interlock.streams.schema_topic import SchemaTopic

        broker = self._broker
        source = written.source()
        if self.registry is not None and getattr(source, "registry", None) is not self.registry:
            written.use(SchemaTopic(broker, self.registry))
        return broker

    def serving_kafka(self) -> "KafkaBroker":
        """Kafka, if it answers; otherwise raises UnavailableError within seconds, or KafkaAccessError where a password
        or a certificate is wrong."""
        problem = kafka_problem(self.client_properties)
        if problem is not None and problem.certain:
            raise KafkaAccessError(f"Kafka at {self.bootstrap_servers}: {problem.text}")
        if problem is not None:
            raise UnavailableError(
                f"Kafka at {self.bootstrap_servers} does not answer ({problem.text}). Is it running, is the address "
                "right?",
            )
        kafka = self.kafka()
        if self.on_kafka is not None:
            self.on_kafka(kafka)
        return kafka

    def admin(self) -> "AdminClient":
        """Kafka's administration."""
        from confluent_kafka.admin import AdminClient

        return AdminClient({**self.client_properties, "log_level": 2})

    @cached_property
    def registry(self) -> "Registry | None":
        """The schema registry of the producers, if the settings name one."""
        if self.settings.registry.url is None:
            return None
        import confluent_kafka.schema_registry  # noqa: F401 - a missing extra is told now, not at the first such record

        from interlock.platform.registry import Registry

        return Registry(self.settings.registry)

    @property
    def kafka_properties(self) -> dict[str, str]:
        """Further librdkafka properties of Kafka's clients; the local instance's where no setting names Kafka."""
        own = self.instance.kafka_properties if not self.settings.kafka.bootstrap_servers and self.instance else {}
        return {**own, **self.settings.kafka.properties, **self.settings.kafka.credentials}

    @property
    def client_properties(self) -> dict[str, str | int | float | bool]:
        """The same with Kafka's address: all that a client needs."""
        return {**self.kafka_properties, "bootstrap.servers": self.bootstrap_servers}

    def clickhouse(self, *, analyst: bool = False, seconds: int | None = None) -> "ClickHouseClient":
        """A ClickHouse client; as the read-only analyst for queries of people. `seconds`: how long a connection or an
        answer may take, instead of the driver's 10 s and 5 min. Raises UnavailableError."""
        import clickhouse_connect
        from clickhouse_connect.driver.exceptions import ClickHouseError

        configured = self.settings.clickhouse
        if configured.url:
            url = configured.url
            user = configured.analyst_user if analyst else configured.user
            password = (configured.analyst_password if analyst else configured.password).get_secret_value()
        else:
            local = self._running_instance("ClickHouse", "INTERLOCK_CLICKHOUSE__URL")
            url = local.clickhouse_url
            user = configured.analyst_user if analyst else configured.user
            password = local.analyst_password if analyst else local.writer_password
        parts = urlsplit(url)
        limits: dict[str, Any] = (
            {} if seconds is None else {"connect_timeout": seconds, "send_receive_timeout": seconds}
        )
        try:
            return clickhouse_connect.get_client(
                host=parts.hostname,
                port=parts.port,
                username=user,
                password=password,
                database=configured.database,
                secure=parts.scheme == "https",
                autogenerate_session_id=False,
                **limits,
            )
        except (ClickHouseError, OSError) as error:
            raise UnavailableError(
                f"ClickHouse at {url} does not answer ({_innermost(error)}). Is it running, is the address right?",
            ) from error

    def _running_instance(self, what: str, variable: str) -> Instance:
        directory = self.settings.data_dir
        if self.instance is None:
            raise UnavailableError(_NOWHERE.format(what=what, variable=variable, dir=directory.absolute()))
        if not instance.is_running(directory):
            raise UnavailableError(instance.not_running(directory))
        return self.instance


def _innermost(error: BaseException) -> BaseException:
    """The first error of a chain: the others repeat it with the names of libraries around it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns ClickHouse's errors into InterlockError."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        yield
    except ClickHouseError as error:
        raise InterlockError(f"ClickHouse: {str(error).strip()}") from error


def connect(data_dir: str | None = None) -> Platform:
    """The platform that the settings name; raises UsageError naming the setting that is wrong."""
    from pydantic import ValidationError

    from interlock.platform.settings import Settings  # here, because it takes longer to import than many commands run

    if data_dir is not None:
        os.environ["INTERLOCK_DATA_DIR"] = data_dir
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [
            f"INTERLOCK_{'__'.join(map(str, problem['loc'])).upper()}: {problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors()
        ]
        raise UsageError("wrong settings:\n" + "\n".join(lines)) from error
    directory = settings.data_dir if "data_dir" in settings.model_fields_set else instance.find_data_dir(Path.cwd())
    return Platform(settings.model_copy(update={"data_dir": directory.absolute()}))
