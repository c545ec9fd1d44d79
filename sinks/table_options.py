"""How tables are kept beyond what the migrations say: on several replicas, or safe from a loss of power."""

import re
from collections.abc import Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

_NAME = r"(?P<name>[\w.`]+)"
_STATEMENT = re.compile(
    rf"(?P<begin>(CREATE\s+TABLE|CREATE\s+MATERIALIZED\s+VIEW|CREATE\s+OR\s+REPLACE\s+VIEW|CREATE\s+VIEW|ALTER\s+TABLE"
    rf"|DROP\s+TABLE|DROP\s+VIEW|TRUNCATE\s+TABLE)(\s+IF(\s+NOT)?\s+EXISTS)?\s+{_NAME})",
    re.IGNORECASE,
)
_RENAME = re.compile(r"(RENAME|EXCHANGE)\s+TABLES?\b", re.IGNORECASE)
_ENGINE = re.compile(r"^(\s*ENGINE\s*=\s*)(\w*MergeTree)\b", re.MULTILINE)
_WINDOW = re.compile(r"\bnon_replicated_deduplication_window\s*=\s*(\d+)")

# The number of inserts is to be the limit, not time: a week, after which Kafka has dropped the sink's offsets anyway.
_WINDOW_SECONDS = 7 * 86_400

# A part is on the disk before its insert is acknowledged, and so is its name in the directory. Merges too: the parts
# that were merged are deleted, and with them what was safe. 1: every one, however small.
DURABLE = {
    "fsync_after_insert": 1,
    "fsync_part_directory": 1,
    "min_rows_to_fsync_after_merge": 1,
    "min_compressed_bytes_to_fsync_after_merge": 1,
}

_TABLES = """
SELECT name, create_table_query FROM system.tables
WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name
"""


def on_cluster(statement: str, cluster: str) -> str:
    """`statement` of a migration for the replicas of `cluster`: executed on all of them, with engines that replicate.

    Statements that write rows stay as they are: replicas copy rows themselves. `ReplicatedMergeTree` is named without
    arguments, so that the server's `default_replica_path` and `default_replica_name` apply.
    """
    where = f" ON CLUSTER '{cluster}'"
    found = _STATEMENT.match(statement)
    if found is None:
        return statement.rstrip() + where if _RENAME.match(statement) else statement
    statement = found["begin"] + where + statement[found.end() :]
    statement = _ENGINE.sub(lambda engine: f"{engine[1]}Replicated{engine[2].removeprefix('Replicated')}", statement)
    return _WINDOW.sub(
        rf"replicated_deduplication_window = \1, replicated_deduplication_window_seconds = {_WINDOW_SECONDS}", statement
    )


def apply_durability(client: Client, *, durable: bool, cluster: str | None = None) -> list[str]:
    """Sets or resets `DURABLE` on every table that differs; returns their names. Raises ClickHouseError."""
    where = "" if cluster is None else f" ON CLUSTER '{cluster}'"
    wanted = {name: value if durable else None for name, value in DURABLE.items()}
    changed = []
    for table, create in client.query(_TABLES).result_rows:
        wrong = {name: value for name, value in wanted.items() if _setting(create, name) != value}
        if not wrong:
            continue
        if durable:
            changes = ", ".join(f"{name} = {value}" for name, value in wrong.items())
            client.command(f"ALTER TABLE {table}{where} MODIFY SETTING {changes}")
        else:
            client.command(f"ALTER TABLE {table}{where} RESET SETTING {', '.join(wrong)}")
        changed.append(str(table))
    return changed


def keep_rows(client: Client, days: Mapping[str, int], *, cluster: str | None = None) -> None:
    """Lets each table keep its rows for so many days from their insert. Raises ClickHouseError.

    ClickHouse applies it to the rows that are there, too: parts carry their end with them, and without that a part of
    before would still go at its old end.
    """
    where = "" if cluster is None else f" ON CLUSTER '{cluster}'"
    for table, number in days.items():
        client.command(f"ALTER TABLE {table}{where} MODIFY TTL inserted_at + INTERVAL {number} DAY")


def _setting(create: str, name: str) -> Any:
    found = re.search(rf"\b{name} = (\d+)", create)
    return int(found[1]) if found else None
