"""The topics as an AsyncAPI document, for generators and portals: made of the catalogue, the schemas and the roles.

It speaks of Interlock as one application: what it receives is written by programs outside, what it sends they may read.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import interlock
from interlock.operations.acls import Role, roles
from interlock.platform.settings import Settings
from interlock.schemas import avro_schemas, catalogue, description
from interlock.schemas.catalogue import Topic

Document = dict[str, Any]

# Of the roles in Kafka's access control lists, those of programs that others write; the rest comes with Interlock.
OUTSIDE = frozenset({"producer", "caller", "reviewer-tool", "executor"})

# The version of AsyncAPI's Kafka bindings. AsyncAPI 3.0 takes it, as does every tool for it.
_BINDING = {"bindingVersion": "0.5.0"}

# The name of Avro's binary encoding in its own specification.
_CONTENT_TYPE = "avro/binary"


def document() -> Document:
    """The AsyncAPI 3.0 document of this version."""
    written = [topic for topic in catalogue.TOPICS if topic.schema]
    schemas = dict.fromkeys(topic.schema for topic in written if topic.schema)
    known = roles(Settings.model_construct())
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Interlock",
            "version": interlock.__version__,
            "description": f"The Kafka topics of Interlock. A value is {description.FRAMING}.",
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _CONTENT_TYPE,
        "channels": {topic.name: _channel(topic) for topic in catalogue.TOPICS},
        "operations": dict(operation for topic in catalogue.TOPICS for operation in _operations(topic, known)),
        "components": {"messages": {schema: _message(schema, written) for schema in schemas}},
    }


def _channel(topic: Topic) -> Document:
    config: Document = {name: int(text) if text.isdecimal() else text for name, text in topic.config().items()}
    config["cleanup.policy"] = topic.cleanup.split(",")
    return {
        "address": topic.name,
        "description": topic.doc,
        "messages": {_name(topic): _reference("components", "messages", topic.schema) if topic.schema else _raw(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": config,
                **_BINDING,
            }
        },
    }


def _operations(topic: Topic, known: Sequence[Role]) -> Iterator[tuple[str, Document]]:
    writers = [role.name for role in known if topic in role.writes]
    readers = [role.name for role in known if topic in role.reads]
    summary = f"Written by {', '.join(writers) or 'nobody'}; read by {', '.join(readers) or 'nobody'}."
    for action, applies in (("receive", OUTSIDE & {*writers}), ("send", {*writers} - OUTSIDE)):
        if applies:
            yield (
                f"{action}-{topic.name}",
                {"action": action, "channel": _reference("channels", topic.name), "summary": summary},
            )


def _message(schema: str, topics: Sequence[Topic]) -> Document:
    keys = dict.fromkeys(topic.key for topic in topics if topic.schema == schema)
    document = json.loads(avro_schemas.text(schema))
    return {
        "name": schema,
        "summary": document["doc"],
        "contentType": _CONTENT_TYPE,
        "payload": {"schemaFormat": "application/vnd.apache.avro+json;version=1.9.0", "schema": document},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": " or ".join(keys)},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                **_BINDING,
            }
        },
        "x-schema-id": avro_schemas.schema_id(schema),
    }


def _raw(topic: Topic) -> Document:
    """The bytes of other systems."""
    return {
        "name": _name(topic),
        "contentType": "application/octet-stream",
        "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}, **_BINDING}},
    }


def _name(topic: Topic) -> str:
    return topic.schema or "Bytes"


def _reference(*path: str) -> Document:
    return {"$ref": f"#/{'/'.join(path)}"}
