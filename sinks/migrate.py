"""Numbered migrations: `migrations/NNNN_name.sql`, applied in order, each once.

Every statement must be harmless when run again (IF NOT EXISTS, CREATE OR REPLACE, ALTER … IF EXISTS): a migration
is noted as applied after its last statement, so one that was cut short simply runs again. An applied migration never
changes: its statements were executed, and changing the file changes no table. Correct it by a new migration.

The same SQL serves the embedded engine, a single ClickHouse server and the replicas of a cluster: for those the
statements are changed when they are applied (`table_options`), and their files and checksums stay what they are.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.errors import InterlockError
from interlock.sinks.statements import statements
from interlock.sinks.table_options import apply_durability, on_cluster

_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")

# Replacing: two processes that migrate at the same time note the same thing twice.
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number UInt32 COMMENT 'Number of the migration',
    name String COMMENT 'Its file name',
    checksum String COMMENT 'Hex SHA-256 of its text',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When its last statement had run, UTC'
)
ENGINE = ReplacingMergeTree ORDER BY number
COMMENT 'Migrations that have been applied to this database'
"""


class MigrationError(InterlockError):
    """The database and the migrations do not fit together, or a statement failed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `name` begins with the number."""

    name: str
    text: str

    @property
    def number(self) -> int:
        return int(self.name[:4])

    @property
    def checksum(self) -> str:
        """Line endings aside: a checkout may have changed them."""
        return hashlib.sha256(self.text.replace("\r\n", "\n").encode()).hexdigest()


def shipped() -> list[Migration]:
    """The migrations of this version, in order."""
    migrations = [
        Migration(file.name, file.read_text()) for file in files("interlock.sinks").joinpath("migrations").iterdir()
    ]
    named = (migration for migration in migrations if _NAME.fullmatch(migration.name))
    return sorted(named, key=lambda migration: migration.number)


def migrate(
    client: Client,
    migrations: Sequence[Migration] | None = None,
    *,
    cluster: str | None = None,
    durable: bool = False,
) -> list[str]:
    """Applies what is missing to the client's database; returns the names of what was applied now.

    `cluster`: create the tables on all replicas of this cluster, which has one shard; for a new database.
    `durable`: rows are on the disk when their insert is acknowledged, also in tables of before.

    Raises MigrationError; nothing after the failing statement is run, and running again continues there.
    """
    wanted = shipped() if migrations is None else migrations
    try:
        _check_engine(client, cluster)
        client.command(_LEDGER if cluster is None else on_cluster(_LEDGER.strip(), cluster))
        if cluster is not None:  # another replica may have applied some a moment ago
            client.command("SYSTEM SYNC REPLICA schema_migrations")
    except ClickHouseError as error:
        raise MigrationError(f"the table of migrations could not be created: {error}") from error
    applied = _applied(client)
    _check(wanted, applied)
    done = []
    for migration in wanted:
        if migration.number not in applied:
            _apply(client, migration, cluster)
            done.append(migration.name)
    try:
        apply_durability(client, durable=durable, cluster=cluster)
    except ClickHouseError as error:
        raise MigrationError(f"the settings of the tables could not be changed: {error}") from error
    return done


def _check_engine(client: Client, cluster: str | None) -> None:
    found = client.query(
        "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"
    ).result_rows
    if found and cluster is not None and not found[0][0].startswith("Replicated"):
        raise MigrationError(
            "the tables of this database have no replicas, and a setting does not give them any: name another database "
            "(INTERLOCK_CLICKHOUSE__DATABASE), into which the sink copies what Kafka holds, or leave the cluster out."
        )
    if found and cluster is None and found[0][0].startswith("Replicated"):
        raise MigrationError(
            "the tables of this database are replicated: set INTERLOCK_CLICKHOUSE__CLUSTER to the name of their "
            "cluster, or new tables would have no replicas."
        )


def _applied(client: Client) -> dict[int, dict[str, Any]]:
    rows = client.query("SELECT number, name, checksum FROM schema_migrations FINAL").named_results()
    return {row["number"]: row for row in rows}


def _check(wanted: Sequence[Migration], applied: dict[int, dict[str, Any]]) -> None:
    numbers = [migration.number for migration in wanted]
    if len(set(numbers)) != len(numbers):
        raise MigrationError(
            f"two migrations have the same number: {', '.join(migration.name for migration in wanted)}"
        )
    for migration in wanted:
        ledger = applied.get(migration.number)
        if ledger is not None and ledger["checksum"] != migration.checksum:
            raise MigrationError(
                f"migration {migration.name} differs from what was applied to this database as {ledger['name']}: an "
                f"applied migration must not change. Restore the file and put the change into a new one."
            )
    newer = sorted(set(applied) - set(numbers))
    if newer:
        raise MigrationError(
            f"the database has migrations that this version does not know ({applied[newer[0]]['name']} and later): "
            f"it was migrated by a newer version. Use that version."
        )


def _apply(client: Client, migration: Migration, cluster: str | None) -> None:
    try:
        for statement in statements(migration.text):
            client.command(statement if cluster is None else on_cluster(statement, cluster))
        client.insert(
            "schema_migrations",
            [[migration.number, migration.name, migration.checksum]],
            column_names=["number", "name", "checksum"],
        )
    except ValueError as error:
        raise MigrationError(f"migration {migration.name}, {error}") from error
    except ClickHouseError as error:
        raise MigrationError(
            f"migration {migration.name} failed and can be run again once this is mended: {error}"
        ) from error
