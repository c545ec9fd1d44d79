"""Migrations, and what they promise to those who read the tables."""

import re

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from interlock.sinks.migrate import Migration, MigrationError, migrate, shipped
from interlock.sinks.statements import statements
from tests.sinks.migrated import definitions

ONE = Migration("0001_one.sql", "CREATE TABLE IF NOT EXISTS one (a UInt8) ENGINE = MergeTree ORDER BY a;")
TWO = Migration("0002_two.sql", "ALTER TABLE one ADD COLUMN IF NOT EXISTS b UInt8; ALTER TABLE two DELETE WHERE 1;")

# Regulation B (12 CFR 1002.12): 25 months.
LONGEST_FLOOR_OF_THE_DEFAULT_PACKS = 25 / 12


@pytest.mark.warehouse
def test_a_second_run_applies_nothing(empty: Client) -> None:
    assert migrate(empty) == [migration.name for migration in shipped()]
    assert migrate(empty) == []


@pytest.mark.warehouse
def test_the_database_that_other_tests_use_is_that_of_the_migrations(shared: Client, own: Client) -> None:
    assert definitions(own) == definitions(shared)
    assert migrate(own) == []


@pytest.mark.warehouse
def test_an_applied_migration_that_was_changed_is_refused_by_name(empty: Client) -> None:
    migrate(empty, [ONE])
    changed = Migration(ONE.name, ONE.text + " -- better")
    with pytest.raises(MigrationError, match=r"0001_one\.sql differs from what was applied"):
        migrate(empty, [changed])


@pytest.mark.warehouse
def test_line_endings_are_no_change(empty: Client) -> None:
    first = Migration("0001_one.sql", ONE.text + "\n")
    migrate(empty, [first])
    assert migrate(empty, [Migration(first.name, first.text.replace("\n", "\r\n"))]) == []


@pytest.mark.warehouse
def test_a_migration_that_failed_half_way_runs_again(empty: Client) -> None:
    with pytest.raises(MigrationError, match=r"0002_two\.sql failed and can be run again"):
        migrate(empty, [ONE, TWO])
    empty.command("CREATE TABLE two (a UInt8) ENGINE = MergeTree ORDER BY a")
    assert migrate(empty, [ONE, TWO]) == [TWO.name]


@pytest.mark.warehouse
def test_a_database_of_a_newer_version_is_refused(empty: Client) -> None:
    migrate(empty, [ONE, Migration("0002_later.sql", "SELECT 1")])
    with pytest.raises(MigrationError, match=r"0002_later\.sql .* Use that version"):
        migrate(empty, [ONE])


@pytest.mark.warehouse
def test_two_migrations_with_one_number_are_refused(empty: Client) -> None:
    with pytest.raises(MigrationError, match="the same number"):
        migrate(empty, [ONE, Migration("0001_other.sql", "SELECT 1")])


@pytest.mark.warehouse
def test_every_shipped_statement_may_run_twice(own: Client) -> None:
    for migration in shipped():
        for statement in statements(migration.text):
            own.command(statement)


@pytest.mark.warehouse
def test_analysts_find_an_explanation_of_every_table_and_column(shared: Client) -> None:
    tables = shared.query(
        "SELECT name, engine, comment FROM system.tables WHERE database = currentDatabase()"
    ).result_rows
    assert len(tables) >= 30
    fills = {name for name, engine, _ in tables if engine == "MaterializedView"}
    assert [name for name, _, comment in tables if not comment and name not in fills] == []
    columns = shared.query(
        "SELECT table, name, comment FROM system.columns WHERE database = currentDatabase()"
    ).result_rows
    assert [(table, name) for table, name, comment in columns if not comment and table not in fills] == []


@pytest.mark.warehouse
def test_every_rate_names_its_population(shared: Client) -> None:
    for view in ("metrics", "metrics_by_domain", "review_metrics"):
        for name, _, _, _, comment, *_ in shared.query(f"DESCRIBE {view}").result_rows:
            if name.endswith("_rate"):
                assert re.match(
                    r"Share of (the )?(domain's )?(decisions|total_decisions|dead_letters|reviewed_decisions|tasks) ",
                    comment,
                ), comment


@pytest.mark.warehouse
def test_every_table_that_rows_are_inserted_into_remembers_blocks(shared: Client) -> None:
    targets = shared.query(
        "SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase() "
        "AND engine IN ('MergeTree', 'AggregatingMergeTree')"
    ).result_rows
    assert len(targets) > 30
    assert [name for name, sql in targets if "non_replicated_deduplication_window = 10000" not in sql] == []


@pytest.mark.warehouse
def test_decisions_and_reviews_are_kept_longer_than_any_default_pack_demands(shared: Client) -> None:
    reviews = ("commands", "command_replies", "tasks", "outcomes", "actions", "action_retries", "alerts")
    for table in ("decisions", "routed_decisions", "dead_letters", *reviews):
        ((sql,),) = shared.query(
            f"SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
        ).result_rows
        found = re.search(r"TTL inserted_at \+ toIntervalYear\((\d+)\)", sql)
        assert found, sql
        assert int(found[1]) > LONGEST_FLOOR_OF_THE_DEFAULT_PACKS


@pytest.mark.warehouse
def test_what_kafka_never_forgets_is_never_dropped(shared: Client) -> None:
    kept = ["policies", "controls", "calibration_models", "resolutions", "presence", "reviewers", "action_sequences"]
    definitions = shared.query(
        "SELECT name, create_table_query FROM system.tables "
        "WHERE database = currentDatabase() AND name IN {kept:Array(String)}",
        parameters={"kept": kept},
    ).result_rows
    assert {name for name, sql in definitions if " TTL " not in sql} == set(kept)


def test_semicolons_in_strings_comments_and_names_end_nothing() -> None:
    text = "SELECT 'a;b', \"c;\", `d;` -- e;\n, '\\';', 'it''s;' /* f; */;; SELECT 2 - 1 / 1"
    assert statements(text) == [
        "SELECT 'a;b', \"c;\", `d;`  \n, '\\';', 'it''s;'",
        "SELECT 2 - 1 / 1",
    ]


@pytest.mark.parametrize(("text", "what"), [("SELECT 1;\n'open", "line 2: '"), ("/* open", r"line 1: /\*")])
def test_an_open_quote_or_comment_is_an_error_with_its_line(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        statements(text)


@given(st.lists(st.text(st.characters(exclude_characters="'\\\0"), max_size=20), min_size=1, max_size=5))
def test_whatever_stands_in_a_string_stays_in_its_statement(strings: list[str]) -> None:
    parts = [f"SELECT '{string}'" for string in strings]
    assert statements(";".join(parts)) == parts
