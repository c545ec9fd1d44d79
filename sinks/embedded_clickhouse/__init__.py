"""ClickHouse without a ClickHouse server: the engine in one process, behind ClickHouse's own HTTP interface.

Importing this package is cheap; the engine's library is loaded by the process that serves.
"""

from interlock.sinks.embedded_clickhouse.child import EmbeddedClickHouse, ServerDiedError
from interlock.sinks.embedded_clickhouse.settings import ServerSettings

__all__ = ["EmbeddedClickHouse", "ServerDiedError", "ServerSettings"]
