"""A routed decision from ClickHouse, as the bytes of a record again."""

from typing import TYPE_CHECKING, Any

from interlock.schemas import avro_schemas, wire
from interlock.schemas.payload import payload_hash

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# The id too: the offset alone may be that of an earlier log, if the topic was deleted and created again. A record that
# could not be read whole has its bytes, as hexadecimal digits here: the client would take them for text.
_QUERY = """
SELECT {columns}, hex(raw) AS damaged FROM routed_decisions
WHERE kafka_topic = {{topic:String}} AND kafka_partition = {{partition:UInt32}} AND kafka_offset = {{offset:UInt64}}
    AND decision_id = {{id:String}}
ORDER BY inserted_at DESC LIMIT 1
"""


def stored_payload(client: "Client", task: dict[str, Any]) -> bytes | None:
    """The `RoutedDecision` at the offset that a `Task` record names, in the wire format; None if ClickHouse has none.

    The bytes are those of Kafka where the record is damaged; otherwise they are made of the row's columns.
    """
    outer = [field["name"] for field in avro_schemas.parsed("RoutedDecision")["fields"] if field["name"] != "decision"]
    inner = [field["name"] for field in avro_schemas.parsed("Decision")["fields"]]
    result = client.query(
        _QUERY.format(columns=", ".join([*outer, *inner])),
        parameters={
            "topic": task["topic"],
            "partition": task["partition"],
            "offset": task["offset"],
            "id": task["decision_id"],
        },
        tz_mode="aware",  # without a time zone Avro would take them for local times
    )
    for row in result.named_results():
        if row["damaged"]:
            return bytes.fromhex(row["damaged"])
        record = {name: row[name] for name in outer}
        return wire.encode("RoutedDecision", {**record, "decision": {name: row[name] for name in inner}})
    return None


def as_hashed(value: bytes, expected: str) -> bytes:
    """A `RoutedDecision` in the version of its schema in which its bytes have the hash that a task names; `value` if
    they have it in none, or are damaged.

    ClickHouse keeps the columns of a record, not the version in which it was written.
    """
    try:
        record = wire.decode("RoutedDecision", value)
    except wire.WireError:
        return value
    written = wire.encodings("RoutedDecision", record)
    return next((one for one in written if payload_hash(one) == expected), value)
