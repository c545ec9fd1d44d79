"""Publishing the schemas in a Confluent-compatible registry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.error import SchemaRegistryError

from interlock.errors import InterlockError, UnavailableError
from interlock.schemas import avro_schemas, catalogue
from interlock.schemas.avro_schemas import Version

T = TypeVar("T")

_WHAT_A_STATUS_MEANS = {
    401: "it wants to know who asks: set INTERLOCK_REGISTRY__USER and __PASSWORD, or INTERLOCK_REGISTRY__TOKEN",
    403: "this user may not do that",
    404: "nothing is at this address: it must be the base of an API like Confluent's (of Apicurio /apis/ccompat/v7)",
}


class RegistryError(InterlockError):
    """The registry refused a schema or gave it another id than the pinned one."""


@dataclass(frozen=True)
class Published:
    """A version of a schema as a registry knows it. `id`: what records carry; `registry_id`: the registry's number."""

    subject: str
    schema: str
    version: int
    id: int
    registry_id: int


def publish(client: Any, *, context: str = "", prefix: str = "", any_ids: bool = False) -> list[Published]:
    """Registers every version of every schema under its record name and, for topics, the current one as
    `<topic>-value`; twice changes nothing.

    `client` is confluent_kafka's SchemaRegistryClient, or one that behaves like it. `context`: of a registry that has
    contexts, each with ids of its own. `prefix`: of all subjects.

    Messages carry the pinned ids, so consumers that ask the registry for one of them must get the schema: registered in
    the order of their ids, schemas get these very numbers in an empty registry or context. (Later versions of Decision
    have numbers that no registry gives.) Raises RegistryError if a number is taken, unless `any_ids`: then the registry
    numbers them as it likes, for producers that ask it.
    """
    scope = f":.{context}:" if context else ""
    versions = sorted(avro_schemas.lock().values(), key=lambda version: version.id)
    current = {name: avro_schemas.versions(name)[-1] for name in avro_schemas.NAMES}
    # All record names come first: some registries number every subject, even of a schema that they know.
    subjects = [(f"interlock.{version.name}", version) for version in versions]
    subjects += [(f"{topic.name}-value", current[topic.schema]) for topic in catalogue.TOPICS if topic.schema]
    published = []
    for index, (name, version) in enumerate(subjects):
        subject = f"{scope}{prefix}{name}"
        registry_id = _register(client, subject, version)
        if index < len(versions) and version.id <= len(versions) and not any_ids:
            _verify(client, subject, version)
        published.append(Published(subject, version.name, version.number, version.id, registry_id))
    return published


def _register(client: Any, subject: str, version: Version) -> int:
    schema = Schema(version.text, "AVRO")
    number: int = _asked(lambda: client.register_schema(subject, schema), f"{version.name} for {subject}")
    return number


def _verify(client: Any, subject: str, version: Version) -> None:
    try:
        registered = _asked(lambda: client.get_schema(version.id, subject), f"to tell schema {version.id}").schema_str
    except RegistryError as error:
        if not isinstance(error.__cause__, SchemaRegistryError) or error.__cause__.http_status_code != 404:
            raise
        registered = None
    if registered is None or avro_schemas.fingerprint_of(registered) != version.fingerprint:
        raise RegistryError(
            f"messages carry id {version.id} for {version.name}, but the registry knows it by another number: it held "
            "other schemas before. Take a registry of its own, or a context (--context interlock), which Confluent's "
            "registry has and Apicurio has not. With --any-ids the registry numbers them as it likes: enough for "
            "producers, if the roles have INTERLOCK_REGISTRY__URL, but not for consumers that ask it for our ids."
        )


def _asked(ask: Callable[[], T], what: str) -> T:
    """What the registry answers. Raises RegistryError with what it said, and UnavailableError."""
    try:
        return ask()
    except SchemaRegistryError as error:
        said = str(error.error_message or "")
        if not said or said.startswith("Unknown Schema Registry Error"):  # it said nothing that the client understands
            said = _WHAT_A_STATUS_MEANS.get(error.http_status_code, said or "without a reason")
        raise RegistryError(f"the registry refused {what}: {said} (HTTP {error.http_status_code})") from error
    except Exception as error:
        # The client lets the errors of its HTTP library through, which are of many kinds.
        raise UnavailableError(f"the registry does not answer: {error or type(error).__name__}") from error
