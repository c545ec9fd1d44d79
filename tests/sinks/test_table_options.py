"""Tables with replicas, and tables that are safe from a loss of power."""

import re

import pytest
from clickhouse_connect.driver.client import Client

from interlock.sinks.migrate import _LEDGER, Migration, MigrationError, migrate, shipped
from interlock.sinks.statements import statements
from interlock.sinks.table_options import DURABLE, on_cluster

ALL = [_LEDGER.strip(), *(statement for migration in shipped() for statement in statements(migration.text))]


def test_a_table_of_a_cluster_replicates_and_remembers_blocks_together() -> None:
    before = (
        "CREATE TABLE IF NOT EXISTS t\n(\n    a String COMMENT 'CREATE TABLE x ENGINE = MergeTree'\n)\n"
        "ENGINE = MergeTree\n"
        "ORDER BY a\nSETTINGS non_replicated_deduplication_window = 100"
    )
    assert on_cluster(before, "main") == (
        "CREATE TABLE IF NOT EXISTS t ON CLUSTER 'main'\n(\n"
        "    a String COMMENT 'CREATE TABLE x ENGINE = MergeTree'\n)\n"
        "ENGINE = ReplicatedMergeTree\nORDER BY a\n"
        "SETTINGS replicated_deduplication_window = 100, replicated_deduplication_window_seconds = 604800"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1",
            "CREATE MATERIALIZED VIEW IF NOT EXISTS v ON CLUSTER 'c' TO t AS SELECT 1",
        ),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "CREATE OR REPLACE VIEW v ON CLUSTER 'c' AS SELECT 1"),
        ("ALTER TABLE t ADD COLUMN a String", "ALTER TABLE t ON CLUSTER 'c' ADD COLUMN a String"),
        ("DROP VIEW IF EXISTS v", "DROP VIEW IF EXISTS v ON CLUSTER 'c'"),
        ("RENAME TABLE a TO b", "RENAME TABLE a TO b ON CLUSTER 'c'"),
        ("INSERT INTO t SELECT 1", "INSERT INTO t SELECT 1"),
    ],
)
def test_every_kind_of_statement_is_executed_on_the_whole_cluster_unless_it_writes_rows(
    before: str, after: str
) -> None:
    assert on_cluster(before, "c") == after


def test_no_shipped_table_stays_without_replicas() -> None:
    for statement in ALL:
        changed = on_cluster(statement, "main")
        assert "non_replicated" not in changed
        assert re.search(r"^ENGINE = (?!Replicated)", changed, re.MULTILINE) is None
        assert (" ON CLUSTER 'main'" in changed) != changed.startswith("INSERT")


@pytest.mark.warehouse
def test_clickhouse_understands_every_statement_for_a_cluster(empty: Client) -> None:
    for statement in ALL:
        changed = on_cluster(statement, "main")
        parsed = str(empty.command(f"EXPLAIN AST {changed}"))
        assert changed.startswith("INSERT") or parsed.startswith(("Create", "AlterQuery"))


@pytest.mark.warehouse
def test_a_database_without_replicas_is_not_continued_on_a_cluster(empty: Client) -> None:
    one = Migration("0001_first.sql", "CREATE TABLE IF NOT EXISTS one (a String) ENGINE = MergeTree ORDER BY a")
    migrate(empty, [one])
    with pytest.raises(MigrationError, match="the tables of this database have no replicas"):
        migrate(empty, [one], cluster="main")


@pytest.mark.warehouse
def test_durability_is_set_on_every_table_and_taken_back(empty: Client) -> None:
    one = Migration("0001_first.sql", "CREATE TABLE IF NOT EXISTS one (a String) ENGINE = MergeTree ORDER BY a")
    two = Migration("0002_second.sql", "CREATE TABLE IF NOT EXISTS two (a String) ENGINE = MergeTree ORDER BY a")

    def durable() -> set[str]:
        tables = empty.query(
            "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()"
        ).result_rows
        return {
            name
            for name, create in tables
            if all(f"{setting} = {value}" in create for setting, value in DURABLE.items())
        }

    migrate(empty, [one])
    assert durable() == set()
    migrate(empty, [one, two], durable=True)
    assert durable() == {"one", "two", "schema_migrations"}
    migrate(empty, [one, two])
    assert durable() == set()
