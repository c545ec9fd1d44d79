"""The last word of the desk on a task that it has forgotten, from ClickHouse, as the record that it wrote."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from interlock.schemas import avro_schemas

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# By offset, because a clock may have been set back; in another log, if the topic was deleted and created again, offsets
# begin anew. Two, because the desk writes a tombstone last.
_LATEST = """
SELECT tombstone, {columns} FROM tasks WHERE key = {{id:String}} AND error = ''
ORDER BY max(kafka_timestamp) OVER (PARTITION BY kafka_stream) DESC, kafka_offset DESC LIMIT 2
"""


@dataclass(frozen=True, slots=True)
class LatestTask:
    """The latest `Task` record, with times in microseconds. `forgotten`: the desk has forgotten the task since."""

    record: dict[str, Any]
    forgotten: bool


def latest_task(client: "Client", task_id: str) -> LatestTask | None:
    """What ClickHouse has of a task; None if it has nothing."""
    columns = ", ".join(f"`{field['name']}`" for field in avro_schemas.parsed("Task")["fields"])
    found = client.query(_LATEST.format(columns=columns), parameters={"id": task_id})
    rows: list[dict[str, Any]] = [_with_micros(row) for row in found.named_results()]
    tombstones = [row.pop("tombstone") for row in rows]
    record = next((row for row, is_tombstone in zip(rows, tombstones, strict=True) if not is_tombstone), None)
    return None if record is None else LatestTask(record, forgotten=tombstones[0])


def _with_micros(value: Any) -> Any:
    """Times as microseconds since the epoch: the client gives them as in UTC, without their zone."""
    match value:
        case datetime():
            return (value.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
        case dict():
            return {name: _with_micros(item) for name, item in value.items()}
        case list() | tuple():
            return [_with_micros(item) for item in value]
    return value
