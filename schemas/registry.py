"""Publishing the schemas in a Confluent-compatible registry."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from avro.errors import AvroException
from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.error import SchemaRegistryError

from interlock.errors import InterlockError, UnavailableError
from interlock.schemas import avro_schemas, catalogue
from interlock.schemas.avro_schemas import Version
from interlock.schemas.registry_failures import meaning

T = TypeVar("T")

_UNAUTHORIZED, _NOT_FOUND = 401, 404

_WHAT_A_STATUS_MEANS = {
    _UNAUTHORIZED: "it wants to know who asks: set INTERLOCK_REGISTRY__USER and __PASSWORD, or __TOKEN",
    403: "this user may not do that",
    _NOT_FOUND: "nothing is at this address: it must be the base of an API like Confluent's "
    "(of Apicurio /apis/ccompat/v7)",
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
    if not any_ids and _is_taken(client, scope, f"{scope}{prefix}{subjects[0][0]}", versions[0]):
        raise _taken(versions[0])  # before anything is written
    published = []
    for index, (name, version) in enumerate(subjects):
        subject = f"{scope}{prefix}{name}"
        registry_id = _register(client, subject, version)
        if index < len(versions) and version.id <= len(versions) and not any_ids:
            found = _under_its_id(client, subject, version)
            if found is None or not _is(version, found):
                raise _taken(version)
        published.append(Published(subject, version.name, version.number, version.id, registry_id))
    return published


def _register(client: Any, subject: str, version: Version) -> int:
    schema = Schema(version.text, "AVRO")
    number: int = _asked(lambda: client.register_schema(subject, schema), f"{version.name} for {subject}")
    return number


def _is_taken(client: Any, scope: str, subject: str, version: Version) -> bool:
    """Whether the id of the version stands for another schema there."""
    found = _under_its_id(client, subject, version)
    if found is None or _is(version, found):
        return False
    # What is not in the default context Confluent's registry looks for in the others; an empty context has free ids.
    subjects: list[str] = _asked(client.get_subjects, "to list its subjects")
    return any(name.startswith(scope) if scope else not name.startswith(":.") for name in subjects)


def _under_its_id(client: Any, subject: str, version: Version) -> Schema | None:
    """What the registry has under the id of the version; None for nothing."""
    try:
        found: Schema = _asked(lambda: client.get_schema(version.id, subject), f"to tell schema {version.id}")
        return found
    except RegistryError as error:
        if isinstance(error.__cause__, SchemaRegistryError) and error.__cause__.http_status_code == _NOT_FOUND:
            return None
        raise


def _is(version: Version, found: Schema) -> bool:
    if found.schema_type not in (None, "AVRO") or not found.schema_str:
        return False
    try:
        return avro_schemas.fingerprint_of(found.schema_str) == version.fingerprint
    except AvroException:  # it refers to other schemas, as none of ours does
        return False


def _taken(version: Version) -> RegistryError:
    return RegistryError(
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
        elif error.http_status_code == _UNAUTHORIZED:
            said = f"{said}; {_WHAT_A_STATUS_MEANS[_UNAUTHORIZED]}"
        raise RegistryError(f"the registry refused {what}: {said} (HTTP {error.http_status_code})") from error
    except Exception as error:
        # The client lets the errors of its HTTP library through, which are of many kinds.
        raise UnavailableError(f"the registry does not answer: {meaning(error)}") from error
