"""Numbered migrations: `migrations/NNNN_name.sql`, applied in order, each once.

Every statement must be harmless when run again (IF NOT EXISTS, CREATE OR REPLACE, ALTER … IF EXISTS): a migration
is noted as applied after its last statement, so one that was cut short simply runs again. An applied migration never
changes: its statements were executed, and changing the file changes no table. Correct it by a new migration.

The same SQL serves the embedded engine and a single ClickHouse server. On a cluster, create the tables by hand from
these files with ON CLUSTER and Replicated… engines; `replicated_deduplication_window` then takes the place of
`non_replicated_deduplication_window`.
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


def migrate(client: Client, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Applies what is missing to the client's database; returns the names of what was applied now.

    Raises MigrationError; nothing after the failing statement is run, and running again continues there.
    """
    wanted = shipped() if migrations is None else migrations
    client.command(_LEDGER)
    applied = _applied(client)
    _check(wanted, applied)
    done = []
    for migration in wanted:
        if migration.number not in applied:
            _apply(client, migration)
            done.append(migration.name)
    return done


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


def _apply(client: Client, migration: Migration) -> None:
    try:
        for statement in statements(migration.text):
            client.command(statement)
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
