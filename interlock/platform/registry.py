"""A schema registry of Confluent's API, as the settings say how to reach it."""

import json
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from interlock.errors import UsageError
from interlock.schemas.registry_failures import meaning
from interlock.schemas.written import SchemaUnavailableError

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient

    from interlock.platform.settings import RegistrySettings

_NOT_FOUND = 404


class Registry:
    """Looks schemas up. Connects for each question, because there is one for every new id and no other."""

    def __init__(
        self,
        settings: "RegistrySettings",
        connect: "Callable[[RegistrySettings], SchemaRegistryClient] | None" = None,
    ) -> None:
        """`connect`: makes the client; by default `client`."""
        assert settings.url is not None
        self.address = without_password(settings.url)
        self._settings = settings
        self._connect = connect or client

    def find(self, key: str) -> str | None:
        """The schema under `registry/ID` or `guid/GUID` with the schemas that it refers to, as `SchemaVersion.schema`
        has it; None if the registry has none. Raises SchemaUnavailableError."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        kind, _, name = key.partition("/")
        try:
            with self._connect(self._settings) as connected:
                found = connected.get_schema_by_guid(name) if kind == "guid" else connected.get_schema(int(name))
                if found.schema_type not in (None, "AVRO") or not found.schema_str:
                    return None
                documents = [*_referred(connected, found), json.loads(found.schema_str)]
        except SchemaRegistryError as error:
            if error.http_status_code == _NOT_FOUND:
                return None
            raise SchemaUnavailableError(f"the schema registry at {self.address} refused {key}: {error}") from error
        except UsageError as error:
            raise SchemaUnavailableError(str(error)) from error
        except Exception as error:
            # The client lets the errors of its HTTP library through, which are of many kinds.
            raise SchemaUnavailableError(
                f"the schema registry at {self.address} does not answer about {key}: {meaning(error)}"
            ) from error
        # A union alone stays in a list of its own, or it would be taken for several documents.
        several = len(documents) > 1 or isinstance(documents[0], list)
        return json.dumps(documents if several else documents[0], separators=(",", ":"))


def _referred(connected: "SchemaRegistryClient", schema: Any) -> list[Any]:
    """The documents that a schema names, each behind those that it names itself."""
    documents: list[Any] = []
    for reference in schema.references or ():
        other = connected.get_version(reference.subject, reference.version).schema
        found = [*_referred(connected, other), json.loads(other.schema_str or "null")]
        documents += [document for document in found if document not in documents]
    return documents


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def client(settings: "RegistrySettings") -> "SchemaRegistryClient":
    """A client with these settings; raises UsageError naming what is wrong with them."""
    from confluent_kafka.schema_registry import SchemaRegistryClient

    _check_files(settings)
    config: dict[str, Any] = {
        "url": settings.url,
        "timeout": settings.timeout_seconds,
        # One more attempt, at once: whoever waits for the answer waits for every attempt.
        "max.retries": 1,
        "retries.wait.ms": 100,
    }
    if settings.user:
        config["basic.auth.user.info"] = f"{settings.user}:{settings.password.get_secret_value()}"
    if token := settings.token.get_secret_value():
        config["bearer.auth.credentials.source"] = "STATIC_TOKEN"
        config["bearer.auth.token"] = token
        config["bearer.auth.logical.cluster"] = settings.logical_cluster
    for name, path in (
        ("ssl.ca.location", settings.ca_file),
        ("ssl.certificate.location", settings.certificate_file),
        ("ssl.key.location", settings.key_file),
    ):
        if path is not None:
            config[name] = str(path)
    try:
        return SchemaRegistryClient(config)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"the settings of the schema registry (INTERLOCK_REGISTRY__…) are wrong: {error}") from error


def _check_files(settings: "RegistrySettings") -> None:
    """Raises UsageError naming the setting and file that is wrong: OpenSSL names neither, and would ask the terminal
    for the password of a key."""
    context = ssl.create_default_context()
    for name in ("ca_file", "certificate_file", "key_file"):
        if (path := getattr(settings, name)) is None:
            continue
        try:
            path.open().close()
        except OSError as error:
            raise UsageError(f"INTERLOCK_REGISTRY__{name.upper()}: {path}: {error.strerror}") from error
    try:
        if settings.ca_file is not None:
            context.load_verify_locations(settings.ca_file)
    except ssl.SSLError as error:
        raise UsageError(f"INTERLOCK_REGISTRY__CA_FILE: {settings.ca_file} has no certificate in PEM form") from error
    if settings.certificate_file is None:
        return
    key_file = settings.key_file or settings.certificate_file
    try:
        context.load_cert_chain(settings.certificate_file, key_file, password=_no_password)
    except _EncryptedError as error:
        raise UsageError(
            f"INTERLOCK_REGISTRY__KEY_FILE: {key_file} has a password: store the key without one"
        ) from error
    except ssl.SSLError as error:
        raise UsageError(
            f"INTERLOCK_REGISTRY__CERTIFICATE_FILE, __KEY_FILE: {settings.certificate_file} has no certificate in PEM "
            f"form, or {key_file} not its key"
        ) from error


class _EncryptedError(Exception):
    """A key has a password."""


def _no_password() -> str:
    raise _EncryptedError
