"""The schema registry of compose keeps what was published when its container is replaced."""

from pathlib import Path

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from interlock.streams.embedded_kafka import EmbeddedKafka
from tests.deploy.compose import environment
from tests.schemas.apicurio import Apicurio

pytestmark = [pytest.mark.registry, pytest.mark.kafka, pytest.mark.timeout(400)]


def test_a_new_container_of_the_registry_has_the_schemas_and_ids_of_the_one_before(tmp_path: Path) -> None:
    # Topics are not made by themselves here either: it makes its own.
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        storage = environment("registry")
        storage["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"] = kafka.bootstrap_servers
        with Apicurio(storage) as first, SchemaRegistryClient({"url": first.url}) as client:
            given = client.register_schema("a", Schema('"string"', "AVRO"))
        with Apicurio(storage) as second, SchemaRegistryClient({"url": second.url}) as client:
            assert client.get_subjects() == ["a"]
            assert client.get_latest_version("a").schema_id == given
            assert client.register_schema("b", Schema('"long"', "AVRO")) == given + 1
