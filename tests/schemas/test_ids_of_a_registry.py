"""Producers that use a schema registry: their ids are looked up once, and their decisions routed like all others."""

import json
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from interlock.platform.registry import Registry
from interlock.platform.settings import RegistrySettings
from interlock.processors.calibration.confidence import routing_fields
from interlock.schemas import avro_schemas, catalogue, wire, written
from interlock.schemas.error_headers import read_error_headers
from interlock.sinks.rows import TARGETS
from interlock.streams.schema_topic import SchemaTopic, read
from interlock.testing import Topology
from tests.schemas.pipeline_step import POLICY

DECISION: dict[str, Any] = {
    "decision_id": "theirs",
    "domain": "loan",
    "model_id": "m",
    "model_version": "1",
    "prediction": "approve",
    "confidence": 0.9,
    "created_at": datetime(2026, 1, 1, tzinfo=UTC),
    "impact": "é",
    "amount": 12,
    "attributes": {"country": "DE"},
    "alternatives": [{"option": "reject", "confidence": 0.5, "pros": [], "cons": ["x"]}],
    "vector": [1.5],
}


class World:
    """A pipeline in memory beside a registry that holds other schemas already."""

    def __init__(self) -> None:
        self.topology = Topology(POLICY)
        self.client = SchemaRegistryClient.new_client({"url": "mock://acme"})
        for number in range(46):
            self.client.register_schema(f"other-{number}", Schema(json.dumps(_other(number)), "AVRO"))
        self.clock = 0.0
        self.asked = 0
        self.away = False
        self.process()

    def process(self) -> None:
        """A new process: it has forgotten what it was told."""
        registry = Registry(RegistrySettings(url="http://acme:8081"), lambda _: self._asked())
        written.use(SchemaTopic(self.topology.broker, registry, lambda: self.clock))

    def send(self, document: Any, record: dict[str, Any] = DECISION, *, in_header: bool = False, **schema: Any) -> None:
        """Sends a decision with Confluent's own serialiser."""
        conf = {"schema.id.serializer": header_schema_id_serializer} if in_header else {}
        serialise = AvroSerializer(self.client, Schema(json.dumps(document), "AVRO", **schema), conf=conf)
        headers: list[tuple[str, Any]] = []
        value = serialise(record, SerializationContext("decisions", MessageField.VALUE, headers))
        self.produce(value, record["decision_id"], headers)

    def produce(self, value: bytes | None, key: str = "theirs", headers: list[tuple[str, Any]] | None = None) -> None:
        producer = self.topology.broker.producer(None)
        producer.produce("decisions", value, key.encode(), headers=headers)
        producer.flush()
        self.topology.run()

    def reasons(self) -> list[tuple[str, str]]:
        found = [read_error_headers(m.headers()) for m in self.topology.messages("dead-letter")]
        return [(headers["exception"], headers["message"]) for headers in found]

    def _asked(self) -> Any:
        return _Asked(self)


class _Asked:
    """Counts what reaches the registry, and refuses while it is away."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        self._world.asked += 1
        if self._world.away:
            raise ConnectionRefusedError("connection refused")
        return getattr(self._world.client, name)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    written.use(None)


def _other(number: int) -> dict[str, Any]:
    return {"type": "record", "name": f"Other{number}", "fields": []}


def _theirs(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(avro_schemas.text("Decision"))
    document.update(changes)
    return document


def _field(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(field for field in document["fields"] if field["name"] == name)
    return found


def appended() -> dict[str, Any]:
    document = _theirs()
    document["fields"].append({"name": "team", "type": ["null", "string"], "default": None})
    return document


def in_another_order_and_namespace() -> dict[str, Any]:
    document = _theirs(namespace="com.acme.decisions")
    document["fields"].reverse()
    return document


def of_java() -> dict[str, Any]:
    def with_java_strings(avro: Any) -> Any:
        if avro == "string":
            return {"type": "string", "avro.java.string": "String"}
        if isinstance(avro, list):
            return [with_java_strings(branch) for branch in avro]
        if isinstance(avro, dict):
            keys = ("type", "items", "values", "fields")
            changed = {key: with_java_strings(value) if key in keys else value for key, value in avro.items()}
            return changed | ({"avro.java.string": "String"} if avro.get("type") == "map" else {})
        return avro

    changed: dict[str, Any] = with_java_strings(_theirs())
    return changed


def with_smaller_numbers() -> dict[str, Any]:
    document = _theirs()
    _field(document, "amount")["type"] = ["null", "int"]
    _field(document, "confidence")["type"] = "float"
    return document


def with_milliseconds() -> dict[str, Any]:
    document = _theirs()
    _field(document, "created_at")["type"]["logicalType"] = "timestamp-millis"
    return document


def nullable() -> dict[str, Any]:
    document = _theirs()
    for name in ("decision_id", "domain"):
        _field(document, name)["type"] = ["null", "string"]
    return document


def with_the_routing_fields_alone() -> dict[str, Any]:
    document = _theirs()
    document["fields"] = document["fields"][:14]
    return document


SCHEMAS = [
    appended,
    in_another_order_and_namespace,
    of_java,
    with_smaller_numbers,
    with_milliseconds,
    nullable,
    with_the_routing_fields_alone,
]


@pytest.mark.parametrize("in_header", [False, True], ids=["id before the value", "guid in a header"])
@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: schema.__name__)
def test_a_decision_in_a_schema_of_the_producer_is_routed_as_ours(schema: Any, in_header: bool, world: World) -> None:
    record = {**DECISION, "confidence": 0.875, "team": "red"}
    world.send(schema(), record, in_header=in_header)
    assert world.reasons() == []
    (message,) = world.topology.messages("reviews.async")
    assert (message.value() or b"").startswith(wire.header("RoutedDecision"))
    decision = world.topology.routed("theirs")["decision"]
    expected = {**record, "created_at": int(DECISION["created_at"].timestamp() * 1_000_000)}
    kept = {field["name"] for field in schema()["fields"]} & decision.keys() & expected.keys()
    assert {name: decision[name] for name in kept} == {name: expected[name] for name in kept}
    assert decision.keys() == {field["name"] for field in json.loads(avro_schemas.text("Decision"))["fields"]}
    world.topology.add_reviewer("ann")
    assert world.topology.review("ann").accepted


def test_a_schema_in_several_documents_is_put_together(world: World) -> None:
    document = _theirs()
    explanation = _field(document, "explanation")["type"]
    world.client.register_schema("explanation", Schema(json.dumps(explanation | {"namespace": "interlock"}), "AVRO"))
    _field(document, "explanation")["type"] = "interlock.Explanation"
    text = json.dumps(document)
    reference = SchemaReference("interlock.Explanation", "explanation", 1)
    schema_id = world.client.register_schema("decisions-value", Schema(text, "AVRO", references=[reference]))
    world.produce(_framed(wire.encode("Decision", DECISION), schema_id))
    assert world.reasons() == []
    world.process()
    world.away = True
    world.produce(_framed(wire.encode("Decision", {**DECISION, "decision_id": "next"}), schema_id), "next")
    assert world.reasons() == []


def _framed(ours: bytes, schema_id: int) -> bytes:
    return struct.pack(">bI", 0, schema_id) + ours[5:]


def test_the_registry_is_asked_once_and_then_no_more_not_even_by_the_next_process(world: World) -> None:
    for number in range(3):
        world.send(appended(), {**DECISION, "decision_id": f"d{number}"})
    assert world.asked == 1
    world.process()
    world.away = True
    world.send(appended(), {**DECISION, "decision_id": "later"})
    assert (world.asked, world.reasons()) == (1, [])
    (entry,) = read(world.topology.broker)
    assert (entry["id"], entry["name"], entry["origin"]) == ("registry/47", "interlock.Decision", "http://acme:8081")


def test_our_own_decisions_never_ask_the_registry(world: World) -> None:
    world.topology.decide("ours", domain="loan")
    assert world.asked == 0


def test_what_cannot_be_looked_up_because_the_registry_is_away_is_a_dead_letter_that_a_replay_routes(
    world: World,
) -> None:
    world.away = True
    world.send(appended())
    world.topology.decide("ours", domain="loan")
    ((reason, message),) = world.reasons()
    assert reason == "schema-unavailable"
    assert "http://acme:8081 does not answer about registry/47" in message
    world.away, world.clock = False, 11.0
    (letter,) = world.topology.messages("dead-letter")
    world.produce(letter.value())
    assert world.topology.routed("theirs")["route"] == "async"


def test_a_registry_that_is_away_is_not_asked_for_every_record(world: World) -> None:
    world.away = True
    for number in range(5):
        world.send(_theirs(doc=f"{number}"), {**DECISION, "decision_id": f"d{number}"})
    assert world.asked == 1
    assert {reason for reason, _ in world.reasons()} == {"schema-unavailable"}


def test_outages_of_the_registry_do_not_stop_the_router_for_the_others(world: World) -> None:
    world.away = True
    value = _framed(wire.encode("Decision", DECISION), 47)
    producer = world.topology.broker.producer(None)
    for _ in range(1_500):  # more than the breaker looks at
        producer.produce("decisions", value, b"theirs")
    producer.flush()
    world.topology.run()
    world.topology.decide("ours", domain="loan")
    assert len(world.reasons()) == 1_500


def test_an_id_that_nobody_knows_is_a_dead_letter_and_asked_about_again_only_later(world: World) -> None:
    for _ in range(3):
        world.produce(_framed(wire.encode("Decision", DECISION), 4711))
    assert (
        world.reasons()
        == [("unknown-schema", "schema id 4711 is not Decision (id 1), nor a version of it that is known here")] * 3
    )
    assert world.asked == 1


def test_garbage_with_ever_new_ids_asks_a_bounded_number_of_times(world: World) -> None:
    for number in range(100):
        world.produce(_framed(wire.encode("Decision", DECISION), 10_000 + number))
    assert world.asked <= 20
    assert {reason for reason, _ in world.reasons()} == {"unknown-schema"}
    world.clock = 61.0
    world.send(appended())
    assert world.topology.routed("theirs")["route"] == "async"


def test_a_schema_that_is_no_decision_is_refused_with_the_field_that_is_missing(world: World) -> None:
    other = {"type": "record", "name": "Decision", "fields": [{"name": "decision_id", "type": "string"}]}
    world.send(other)
    ((reason, message),) = world.reasons()
    assert reason == "unknown-schema"
    assert message.startswith("schema id 47 cannot be read as Decision: No default value for field")


@pytest.mark.parametrize("text", ["[", '{"type": "record", "name": "a-b", "fields": []}', '"string"', "[]"])
def test_a_schema_that_cannot_be_used_is_refused_and_stops_nobody(
    text: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.client, "get_schema", lambda _: Schema(text, "AVRO"))
    world.produce(_framed(wire.encode("Decision", DECISION), 47))
    world.topology.decide("ours", domain="loan")
    ((reason, message),) = world.reasons()
    assert reason in ("unknown-schema", "schema-unavailable")
    assert "47" in message


def test_a_schema_id_in_the_range_of_our_other_schemas_is_looked_up_too(world: World) -> None:
    world.client = SchemaRegistryClient.new_client({"url": "mock://empty"})
    for number in range(4):
        world.client.register_schema(f"other-{number}", Schema(json.dumps(_other(number)), "AVRO"))
    world.send(appended())  # id 5, which is Control in our topics
    assert world.reasons() == []


def test_ids_of_a_registry_mean_nothing_in_other_topics(world: World) -> None:
    world.send(appended())
    with pytest.raises(wire.WireError, match="schema id 47 is not Control"):
        wire.decode("Control", struct.pack(">bI", 0, 47))


def test_sink_and_drift_read_what_the_router_routes(world: World) -> None:
    world.send(appended(), in_header=True)
    messages = world.topology.messages("decisions")
    rows = TARGETS[catalogue.DECISIONS.name].columns(messages)
    assert rows["decision_id"].to_pylist() == ["theirs"]
    (message,) = messages
    assert routing_fields(message.value(), message.headers())["confidence"] == 0.9
    with pytest.raises(wire.WireError, match="does not start with"):
        routing_fields(message.value())


def test_a_registry_that_refuses_says_so_in_the_dead_letter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise SchemaRegistryError(401, 40101, "Unauthorized")

    monkeypatch.setattr(world.client, "get_schema", refuse)
    world.produce(_framed(wire.encode("Decision", DECISION), 47))
    ((reason, message),) = world.reasons()
    assert reason == "schema-unavailable"
    assert "http://acme:8081 refused registry/47: Unauthorized" in message
