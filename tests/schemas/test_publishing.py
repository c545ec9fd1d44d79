"""Schemas in a registry: under the pinned ids where they are free, else with what the registry says and what to do."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from pydantic import SecretStr

from interlock.errors import UnavailableError, UsageError
from interlock.platform.registry import Registry, client, without_password
from interlock.platform.settings import RegistrySettings
from interlock.schemas import avro_schemas, catalogue, description, wire, written
from interlock.schemas.registry import RegistryError, publish
from interlock.streams.schema_topic import SchemaTopic
from interlock.testing import Topology
from tests.schemas.apicurio import Apicurio
from tests.schemas.pipeline_step import POLICY


def _mock() -> SchemaRegistryClient:
    return SchemaRegistryClient.new_client({"url": "mock://test"})


def test_publishing_registers_every_topic_under_the_pinned_ids_and_can_be_repeated() -> None:
    client = _mock()
    first = publish(client)
    assert publish(client) == first
    subjects = {f"{t.name}-value" for t in catalogue.TOPICS if t.schema}
    assert {schema.subject for schema in first} == subjects | {f"interlock.{name}" for name in avro_schemas.NAMES}
    assert all(one.registry_id == one.id for one in first if one.subject.startswith("interlock."))


@pytest.mark.parametrize(
    "theirs",
    [
        Schema('"string"', "AVRO"),
        Schema('{"type": "object"}', "JSON"),
        Schema('{"type": "record", "name": "A", "fields": [{"name": "other", "type": "com.acme.Other"}]}', "AVRO"),
    ],
    ids=["Avro", "JSON", "with references"],
)
def test_a_registry_that_numbers_schemas_otherwise_is_refused_with_what_to_do_and_left_as_it_was(
    theirs: Schema,
) -> None:
    client = _mock()
    client.register_schema("something-else", theirs)
    with pytest.raises(RegistryError, match=r"messages carry id 1 for Decision.*--context.*--any-ids"):
        publish(client)
    assert client.get_subjects() == ["something-else"]


class _WithContexts:
    """Confluent's registry: every context numbers for itself, and where the default one has no schema of an id, the
    others are asked for it. (The mock of its client has one numbering for all.)"""

    def __init__(self) -> None:
        self._schemas: dict[str, list[Schema]] = {}
        self._subjects: dict[str, None] = {}

    def register_schema(self, subject: str, schema: Schema) -> int:
        self._subjects[subject] = None
        held = self._schemas.setdefault(self._context(subject), [])
        if schema not in held:
            held.append(schema)
        return held.index(schema) + 1

    def get_schema(self, number: int, subject: str) -> Schema:
        context = self._context(subject)
        for name in (context,) if context else ("", *self._schemas):
            held = self._schemas.get(name, [])
            if number <= len(held):
                return held[number - 1]
        raise SchemaRegistryError(404, 40403, "not found")

    def get_subjects(self) -> list[str]:
        return list(self._subjects)

    def _context(self, subject: str) -> str:
        return subject[2:].partition(":")[0] if subject.startswith(":.") else ""


@pytest.mark.parametrize("context", ["", "interlock"])
def test_what_another_context_holds_does_not_hinder(context: str) -> None:
    client = _WithContexts()
    client.register_schema(":.payments:something-else", Schema('"string"', "AVRO"))
    published = publish(client, context=context)
    assert published[0].registry_id == 1
    client = _WithContexts()
    client.register_schema(f":.{context}:something-else" if context else "something-else", Schema('"string"', "AVRO"))
    with pytest.raises(RegistryError, match="messages carry id 1"):
        publish(client, context=context)
    assert len(client.get_subjects()) == 1


def test_a_registry_that_holds_other_schemas_may_number_ours_as_it_likes() -> None:
    client = _mock()
    client.register_schema("decisions-value", Schema('"string"', "AVRO"))
    published = publish(client, prefix="acme.", any_ids=True)
    (decisions,) = [one for one in published if one.subject == "acme.decisions-value"]
    assert decisions.registry_id != decisions.id == 1
    assert json.loads(client.get_schema(decisions.registry_id).schema_str or "")["name"] == "Decision"


def test_the_subjects_of_a_context_are_named_as_the_registry_wants_them() -> None:
    subjects = {one.subject for one in publish(_mock(), context="interlock", prefix="x.")}
    assert {":.interlock:x.decisions-value", ":.interlock:x.interlock.Task"} <= subjects


class _Answering(BaseHTTPRequestHandler):
    """Answers every request with the status and body of the server, and remembers its headers."""

    server: Any

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(self.headers)
        status, body = self.server.answer
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Any]:
    made: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
    made.seen = []
    Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def _settings(server: Any, **fields: Any) -> RegistrySettings:
    return RegistrySettings(url=f"http://127.0.0.1:{server.server_port}", **fields)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b"", "refused Decision for interlock.Decision: nothing is at this address.*ccompat.*HTTP 404"),
        (401, b"", "wants to know who asks: set INTERLOCK_REGISTRY__USER"),
        (
            409,
            b'{"error_code": 409, "message": "incompatible with version 3"}',
            "incompatible with version 3.*HTTP 409",
        ),
        (422, b"<html>no</html>", "Unknown Schema Registry Error: b'<html>no</html>'.*HTTP 422"),
    ],
)
def test_a_refusal_repeats_what_the_registry_said_or_says_what_its_status_means(
    status: int, body: bytes, said: str, server: Any
) -> None:
    server.answer = status, body
    with client(_settings(server)) as connected, pytest.raises(RegistryError, match=said):
        publish(connected)


def test_what_is_no_registry_is_told_apart_from_a_refusal(server: Any) -> None:
    server.answer = 200, b"hello"
    with client(_settings(server)) as connected, pytest.raises(UnavailableError, match="the registry does not answer"):
        publish(connected)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"user": "ann", "password": SecretStr("secret")}, "Basic YW5uOnNlY3JldA=="),
        ({"token": SecretStr("abc")}, "Bearer abc"),
    ],
)
def test_credentials_reach_the_registry(fields: dict[str, Any], sent: str, server: Any) -> None:
    server.answer = 404, b"{}"
    assert Registry(_settings(server, **fields)).find("registry/7") is None
    assert server.seen[0]["Authorization"] == sent


def test_certificates_that_cannot_be_used_are_a_wrong_setting(tmp_path: Path) -> None:
    for name in ("ca_file", "certificate_file"):
        settings = RegistrySettings(url="https://registry:8081").model_copy(update={name: tmp_path / "none.pem"})
        with pytest.raises(UsageError, match="INTERLOCK_REGISTRY__"):
            client(settings)


def test_a_password_in_an_url_is_not_shown() -> None:
    assert without_password("https://ann:secret@host:8081/x") == "https://host:8081/x"


def test_what_is_exported_is_enough_to_read_and_write_the_topics(tmp_path: Path) -> None:
    paths = description.export(tmp_path / "contracts")
    assert {path.suffix for path in paths} == {".avsc", ".json"}
    index = json.loads(paths[-1].read_text())
    files = {entry["schema"]: entry for entry in index["schemas"] if entry["current"]}
    assert files.keys() == set(avro_schemas.NAMES)
    assert files["RoutedDecision"]["topics"]["reviews.async"] == "decision_id"
    for name, entry in files.items():
        assert bytes.fromhex(entry["header"]) == wire.header(name)
        exported = (tmp_path / "contracts" / entry["file"]).read_text()
        assert avro_schemas.fingerprint_of(exported) == avro_schemas.fingerprint(name)


def test_a_schema_is_found_by_name_and_version_or_the_error_names_what_there_is() -> None:
    found, document = description.find("Access", 1)
    assert (found.id, found.current, document["name"]) == (23, True, "Access")
    with pytest.raises(UsageError, match=r"no schema 'Presents'; there are Decision, "):
        description.find("Presents")
    with pytest.raises(UsageError, match="Access has no version 9; there are 1"):
        description.find("Access", 9)


@pytest.mark.registry
def test_a_real_registry_takes_the_schemas_under_the_pinned_ids() -> None:
    with Apicurio() as registry, SchemaRegistryClient({"url": registry.url}) as client:
        assert [(s.subject, s.id) for s in publish(client)] == [(s.subject, s.id) for s in publish(client)]
        for version in avro_schemas.lock().values():
            registered = client.get_schema(version.id).schema_str
            assert json.loads(str(registered))["name"] == version.name
        again = client.get_latest_version("decisions-value")
        assert json.loads(str(again.schema.schema_str))["name"] == "Decision"


@pytest.mark.registry
def test_decisions_in_a_schema_of_a_real_registry_are_routed_also_when_it_is_gone() -> None:
    theirs = json.loads(avro_schemas.text("Decision"))
    theirs["fields"].append({"name": "team", "type": ["null", "string"], "default": None})
    topology = Topology(POLICY)
    with Apicurio() as apicurio:
        settings = RegistrySettings(url=apicurio.url, timeout_seconds=60)
        with client(settings) as registry:
            registry.register_schema("other-value", Schema('{"type": "record", "name": "Other", "fields": []}', "AVRO"))
            assert any(one.registry_id != one.id for one in publish(registry, prefix="acme.", any_ids=True))
            written.use(SchemaTopic(topology.broker, Registry(settings)))
            serialise = AvroSerializer(registry, Schema(json.dumps(theirs), "AVRO"))
            values = [_serialised(topology, serialise, name) for name in ("one", "two")]
        _send(topology, "one", values[0])
    written.use(SchemaTopic(topology.broker, Registry(settings)))  # a new process, without the registry
    _send(topology, "two", values[1])
    assert {topology.routed(name)["route"] for name in ("one", "two")} == {"async"}


def _serialised(topology: Topology, serialise: Any, name: str) -> bytes:
    record = topology.decision(name, 0.9, domain="loan").to_record()
    value: bytes = serialise(record, SerializationContext("decisions", MessageField.VALUE))
    assert int.from_bytes(value[1:5], "big") not in avro_schemas.lock()
    return value


def _send(topology: Topology, name: str, value: bytes) -> None:
    producer = topology.broker.producer(None)
    producer.produce("decisions", value, name.encode())
    producer.flush()
    topology.run()
