"""Publishing the schemas in a Confluent-compatible registry."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka.schema_registry import Schema
from confluent_kafka.schema_registry.error import SchemaRegistryError

from interlock.errors import InterlockError
from interlock.schemas import avro_schemas, catalogue


class RegistryError(InterlockError):
    """The registry refused a schema or gave it another id than the pinned one."""


@dataclass(frozen=True)
class Published:
    """A schema as the registry knows it."""

    subject: str
    schema: str
    id: int


def publish(client: Any) -> list[Published]:
    """Registers every schema under its record name and, for topics, as `<topic>-value`; twice changes nothing.

    `client` is confluent_kafka's SchemaRegistryClient, or one that behaves like it. Messages carry the pinned ids, so
    consumers that ask the registry for one of them must get the schema: registered in the order of their ids, schemas
    get these very numbers in an empty registry. Raises RegistryError if the registry has used a number already.
    """
    by_id = sorted(avro_schemas.NAMES, key=avro_schemas.schema_id)
    # All record names come first: some registries number every subject, even of a schema that they know.
    subjects = [(f"interlock.{name}", name) for name in by_id]
    subjects += [(f"{topic.name}-value", topic.schema) for topic in catalogue.TOPICS if topic.schema is not None]
    for subject, name in subjects:
        _register(client, subject, name)
    for name in by_id:
        _verify(client, name)
    return [Published(subject, name, avro_schemas.schema_id(name)) for subject, name in subjects]


def _register(client: Any, subject: str, name: str) -> None:
    try:
        client.register_schema(subject, Schema(avro_schemas.text(name), "AVRO"))
    except SchemaRegistryError as error:
        raise RegistryError(f"the registry refused {name} for {subject}: {error.error_message}") from error


def _verify(client: Any, name: str) -> None:
    pinned_id = avro_schemas.schema_id(name)
    try:
        registered = client.get_schema(pinned_id).schema_str
    except SchemaRegistryError:
        registered = None
    if registered is None or avro_schemas.fingerprint_of(registered) != avro_schemas.fingerprint(name):
        raise RegistryError(
            f"messages carry id {pinned_id} for {name}, but the registry knows it by another number: it held other "
            "schemas before. Use a registry of its own, or a context of it (http://host:8081/contexts/interlock)."
        )
