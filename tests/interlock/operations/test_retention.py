"""What the doctor says about how long records are kept."""

import pytest

from interlock.operations.retention import Kept, _days, plan, short_kept
from interlock.policy.load import parse

NOTIFIED = """name: lending
domains:
  loans: {models: [m], outcomes: [approve, reject], lanes: {reject: {notice: adverse_action}}}
packs: [high-stakes, ecoa-fcra, eu-ai-act]
"""


def test_tables_that_keep_rows_for_less_than_a_pack_demands_are_named_with_the_remedy() -> None:
    lending = parse(NOTIFIED, "p")
    kept = {"decisions": 761, "outcomes": 762, "resolutions": None, "tasks": 0}
    (line,) = short_kept([lending, parse("name: plain", "p")], kept)
    assert line.startswith("policy lending, pack ecoa-fcra: records must be kept for 762 days, and ClickHouse keeps ")
    assert "in decisions (761 d), tasks (less than a day, or by a rule of its own). `interlock prepare` " in line
    assert line.endswith(
        "`interlock prepare` lengthens it for a policy in force, and before with "
        "INTERLOCK_CLICKHOUSE__RETENTION_DAYS=762; by hand: ALTER TABLE tasks MODIFY TTL inserted_at + INTERVAL 762 DAY"
    )


@pytest.mark.parametrize(
    ("kept", "demanded", "setting", "wanted"),
    [
        (1095, 762, None, 1095),
        (90, 762, None, 762),
        (1095, 762, 30, 762),
        (1095, 0, 30, 30),
        (1095, 762, 2000, 2000),
        (90, 0, None, 90),
        (None, 762, 30, None),
        (0, 762, None, 0),
    ],
)
def test_a_table_keeps_rows_as_long_as_packs_demand_and_is_shortened_by_a_setting_alone(
    kept: int | None, demanded: int, setting: int | None, wanted: int | None
) -> None:
    assert plan({"outcomes": kept}, demanded, setting) == [Kept("outcomes", kept, wanted)]


def test_nothing_is_said_where_records_are_kept_for_long_enough_or_no_pack_demands_any_time() -> None:
    assert list(short_kept([parse(NOTIFIED, "p")], {"decisions": 762, "resolutions": None})) == []
    assert list(short_kept([parse("name: x\npacks: [high-stakes]", "p")], {"decisions": 1})) == []


@pytest.mark.parametrize(
    ("engine", "days"),
    [
        ("MergeTree ORDER BY a SETTINGS index_granularity = 8192", None),
        ("MergeTree ORDER BY a TTL inserted_at + toIntervalYear(3) SETTINGS ttl_only_drop_parts = 1", 1095),
        ("ReplicatedMergeTree('/x', 'r') ORDER BY a TTL inserted_at + toIntervalDay(30)", 30),
        ("MergeTree ORDER BY a TTL inserted_at + toIntervalHour(36)", 0),
        ("MergeTree ORDER BY a TTL kafka_timestamp + toIntervalYear(3)", 0),
        ("MergeTree ORDER BY a TTL inserted_at + toIntervalYear(3) DELETE WHERE a = 1", 0),
    ],
)
def test_how_long_a_table_keeps_its_rows_is_read_from_its_engine(engine: str, days: int | None) -> None:
    assert _days(engine) == days
