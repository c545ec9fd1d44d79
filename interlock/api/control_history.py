"""Every use of the kill switch: ClickHouse keeps them all, Kafka the last one of each scope."""

from typing import Any

from interlock.api.backend import Backend

# As shown with the rows.
QUERY = """\
SELECT scope, halted, reason, set_by, set_at
FROM controls
WHERE error = '' AND NOT tombstone
ORDER BY set_at DESC, kafka_offset DESC
LIMIT {limit:UInt32}
"""


def control_history(backend: Backend, limit: int) -> list[dict[str, Any]]:
    """The latest first; some seconds behind Kafka. Raises InterlockError and ClickHouseError."""
    with backend.clickhouse() as client:
        return [dict(row) for row in client.query(QUERY, parameters={"limit": limit}).named_results()]
