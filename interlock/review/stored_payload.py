"""A routed decision from ClickHouse, as the bytes of a record again."""

from typing import TYPE_CHECKING, Any

from interlock.schemas import avro_schemas, wire
from interlock.schemas.payload import payload_hash
from interlock.sinks.sealed_columns import OPENING, OPENING_FACTS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore

# The id too: the offset alone may be that of an earlier log, if the topic was deleted and created again. A record that
# could not be read whole has its bytes, as hexadecimal digits here: the client would take them for text.
_QUERY = """
SELECT {columns}, hex(routed_decisions.raw) AS damaged, {opening} FROM routed_decisions
WHERE kafka_topic = {{topic:String}} AND kafka_partition = {{partition:UInt32}} AND kafka_offset = {{offset:UInt64}}
    AND decision_id = {{id:String}}
ORDER BY inserted_at DESC LIMIT 1
"""


def stored_payload(client: "Client", task: dict[str, Any], keys: "KeyStore | None" = None) -> bytes | None:
    """The `RoutedDecision` at the offset that a `Task` record names, in the wire format; None if ClickHouse has none.

    The bytes are those of Kafka where the record is damaged; otherwise they are made of the row's columns. What the
    producer encrypted stays so, or the bytes would not have the hash. Raises SealedContentError where they are sealed
    by the sink, and not under one of `keys`.
    """
    from interlock.sinks.opening import opened, unreadable

    outer = [field["name"] for field in avro_schemas.parsed("RoutedDecision")["fields"] if field["name"] != "decision"]
    inner = [field["name"] for field in avro_schemas.parsed("Decision")["fields"]]
    result = client.query(
        _QUERY.format(columns=", ".join([*outer, *inner]), opening=f"{OPENING}, {OPENING_FACTS}, '' AS raw"),
        parameters={
            "topic": task["topic"],
            "partition": task["partition"],
            "offset": task["offset"],
            "id": task["decision_id"],
        },
        tz_mode="aware",  # without a time zone Avro would take them for local times
    )
    found = opened(keys, "routed_decisions", result.named_results(), as_sent=True)
    if found.unreadable:
        raise unreadable(task["decision_id"], keys)
    for row in found.rows:
        # Of a row that is not sealed the empty text of the query.
        sealed: bytes = row["raw"]
        if sealed or row["damaged"]:
            return sealed or bytes.fromhex(row["damaged"])
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
