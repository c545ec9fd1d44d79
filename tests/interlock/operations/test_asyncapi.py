"""The AsyncAPI document is what stands in docs/asyncapi.json, and says what a program outside needs."""

import json
from pathlib import Path
from typing import Any

from interlock.operations.asyncapi import document
from interlock.schemas import avro_schemas, catalogue

COMMITTED = Path(__file__).parents[3] / "docs" / "asyncapi.json"


def _found(reference: str) -> Any:
    place: Any = document()
    for name in reference.removeprefix("#/").split("/"):
        place = place[name]
    return place


def test_the_committed_document_is_that_of_this_version() -> None:
    advice = "write it again: interlock topics asyncapi > docs/asyncapi.json"
    assert json.loads(COMMITTED.read_text()) == document(), advice


def test_every_topic_is_a_channel_with_the_schema_id_and_key_of_its_records() -> None:
    channels = document()["channels"]
    assert channels.keys() == catalogue.BY_NAME.keys()
    for topic in catalogue.TOPICS:
        (message,) = channels[topic.name]["messages"].values()
        if topic.schema is None:
            assert "payload" not in message
            continue
        message = _found(message["$ref"])
        assert message["x-schema-id"] == avro_schemas.schema_id(topic.schema)
        assert avro_schemas.fingerprint_of(json.dumps(message["payload"]["schema"])) == avro_schemas.fingerprint(
            topic.schema
        )
        assert message["bindings"]["kafka"]["key"]["description"] == topic.key


def test_every_topic_is_sent_or_received_and_what_programs_outside_write_is_received() -> None:
    operations = document()["operations"].values()
    directions: dict[str, set[str]] = {}
    for operation in operations:
        directions.setdefault(_found(operation["channel"]["$ref"])["address"], set()).add(operation["action"])
    assert directions.keys() == catalogue.BY_NAME.keys()
    assert {"decisions", "reviews.commands"} <= {name for name, actions in directions.items() if "receive" in actions}
    for written_by_interlock in ("decisions.auto-approved", "resolutions", "reviews.replies", "reviews.tasks"):
        assert directions[written_by_interlock] == {"send"}
