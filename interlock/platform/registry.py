"""A schema registry of Confluent's API, as the settings say how to reach it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from interlock.errors import UsageError
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
                f"the schema registry at {self.address} does not answer about {key} ({type(error).__name__}: {error})"
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
