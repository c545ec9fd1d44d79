"""The last word of the desk on a task that it has forgotten, from ClickHouse, as the record that it wrote."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock.schemas import avro_schemas
from interlock.schemas.times import in_micros
from interlock.sinks.sealed_columns import OPENING

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore

# By offset, because a clock may have been set back; in another log, if the topic was deleted and created again, offsets
# begin anew. A gold item may have borrowed the id since. Its tombstone says that the desk has forgotten a task.
_LATEST = """
SELECT forgotten, {columns}, {opening} FROM (
    SELECT *, max(kafka_timestamp) OVER log AS log_time,
        maxIf(kafka_offset, tombstone) OVER log > kafka_offset AS forgotten
    FROM tasks WHERE key = {{id:String}} AND error = '' WINDOW log AS (PARTITION BY kafka_stream)
)
WHERE NOT tombstone AND kind != 'gold' ORDER BY log_time DESC, kafka_offset DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class LatestTask:
    """The latest `Task` record of a decision, times in microseconds. `forgotten`: the desk has forgotten it since."""

    record: dict[str, Any]
    forgotten: bool


def latest_task(client: "Client", task_id: str, keys: "KeyStore | None" = None) -> LatestTask | None:
    """What ClickHouse has of the task of a decision; None if it has nothing. Raises SealedContentError."""
    from interlock.sinks.opening import opened, unreadable

    columns = ", ".join(f"`{field['name']}`" for field in avro_schemas.parsed("Task")["fields"])
    found = client.query(_LATEST.format(columns=columns, opening=OPENING), parameters={"id": task_id})
    read = opened(keys, "tasks", found.named_results())
    if read.unreadable:
        raise unreadable(task_id, keys)
    for row in read.rows:
        record = in_micros(row)
        return LatestTask(record, bool(record.pop("forgotten")))
    return None
