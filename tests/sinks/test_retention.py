"""How long ClickHouse keeps rows, as the doctor reads it from the tables that are shipped."""

import pytest
from clickhouse_connect.driver.client import Client

from interlock.operations.retention import kept_days, short_kept
from interlock.policy.load import pack, pack_names
from interlock.policy.model import Policy
from interlock.sinks.migrate import migrate
from interlock.sinks.rows import TARGETS

pytestmark = pytest.mark.warehouse

DEMANDING = Policy(name="all", packs=tuple(pack(name) for name in pack_names()))


def test_the_shipped_tables_keep_rows_for_longer_than_any_pack_demands(shared: Client) -> None:
    kept = kept_days(shared)
    assert kept.keys() == {target.table for target in TARGETS.values()}
    assert {days for days in kept.values() if days is not None} == {3 * 365}
    assert list(short_kept([DEMANDING], kept)) == []


def test_a_table_that_an_operator_has_cut_short_is_named(empty: Client) -> None:
    migrate(empty)
    empty.command("ALTER TABLE outcomes MODIFY TTL inserted_at + INTERVAL 90 DAY")
    (line,) = short_kept([DEMANDING], kept_days(empty))
    assert "keeps rows for less in outcomes (90 d). For each: ALTER TABLE" in line
