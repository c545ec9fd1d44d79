"""A routed decision from ClickHouse, as a record again."""

from typing import TYPE_CHECKING, Any

from interlock.schemas import avro_schemas

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# The id too: the offset alone may be that of an earlier log, if the topic was deleted and created again.
_QUERY = """
SELECT {columns} FROM routed_decisions
WHERE kafka_topic = {{topic:String}} AND kafka_partition = {{partition:UInt32}} AND kafka_offset = {{offset:UInt64}}
    AND decision_id = {{id:String}} AND error = ''
ORDER BY inserted_at DESC LIMIT 1
"""


def stored_payload(client: "Client", task: dict[str, Any]) -> dict[str, Any] | None:
    """The `RoutedDecision` record at the offset that a `Task` record names; None if ClickHouse has none."""
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
        record = {name: row[name] for name in outer}
        return {**record, "decision": {name: row[name] for name in inner}}
    return None
