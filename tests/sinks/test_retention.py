"""How long ClickHouse keeps rows, as the doctor reads it from the tables that are shipped."""

from types import SimpleNamespace
from typing import cast

import pytest
from clickhouse_connect.driver.client import Client

from interlock.operations import doctor
from interlock.operations.retention import check_retention, kept_days, prepare_retention, short_kept
from interlock.platform.connection import Platform
from interlock.policies import publishing
from interlock.policies.honouring import UnhonouredPackError
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.policy.regulation import pack, pack_names
from interlock.schemas import catalogue, wire
from interlock.sinks.rows import TARGETS
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec

pytestmark = pytest.mark.warehouse

DEMANDING = Policy(name="all", packs=tuple(pack(name) for name in pack_names()))


def test_the_shipped_tables_keep_rows_for_longer_than_any_pack_demands(shared: Client) -> None:
    kept = kept_days(shared)
    assert kept.keys() == {target.table for target in TARGETS.values()}
    assert {days for days in kept.values() if days is not None} == {3 * 365}
    assert list(short_kept([DEMANDING], kept)) == []


def test_a_table_that_an_operator_has_cut_short_is_named(own: Client) -> None:
    own.command("ALTER TABLE outcomes MODIFY TTL inserted_at + INTERVAL 90 DAY")
    (line,) = short_kept([DEMANDING], kept_days(own))
    assert "keeps rows for less in outcomes (90 d). `interlock prepare` lengthens it" in line


CREDIT = """name: credit
domains: {loan: {models: [m], outcomes: [yes, no], adverse: [no], lanes: {no: {notice: adverse_action}}}}
packs: [ecoa-fcra]
"""


@pytest.fixture
def platform(own: Client) -> Platform:
    """The tables of the warehouse, and Kafka in memory with a policy in force."""
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS])
    policy = parse(CREDIT, "credit")
    record = publishing.policy_record(policy, CREDIT, "credit", {}, "me", "")
    publishing.send(broker, catalogue.POLICIES, policy.name, wire.encode("PolicyVersion", record))
    settings = SimpleNamespace(clickhouse=SimpleNamespace(retention_days=None, cluster=None))
    fake = SimpleNamespace(settings=settings, serving_kafka=lambda: broker, clickhouse=lambda: own)
    return cast("Platform", fake)


def test_prepare_lengthens_what_is_shorter_than_the_packs_in_force_demand_and_says_so(platform: Platform) -> None:
    client = platform.clickhouse()
    client.command("ALTER TABLE outcomes MODIFY TTL inserted_at + INTERVAL 90 DAY")
    assert doctor._retention(platform).state == "wrong"
    changed = prepare_retention(platform)
    assert changed == ["rows are kept: outcomes (90 d) → 762 d (pack ecoa-fcra of policy credit)"]
    assert kept_days(client)["outcomes"] == 762
    assert prepare_retention(platform) == []
    told = doctor._retention(platform)
    assert told.state == "ok"
    assert told.finding.startswith("demanded: 762 d by pack ecoa-fcra of policy credit. Kept 762 d: outcomes; 1095 d: ")


def test_a_row_older_than_the_old_limit_stays_once_prepare_has_lengthened_it(platform: Platform) -> None:
    client = platform.clickhouse()
    client.command("SYSTEM STOP TTL MERGES outcomes")
    client.command("ALTER TABLE outcomes MODIFY TTL inserted_at + INTERVAL 90 DAY")
    client.command(
        "INSERT INTO outcomes (outcome_id, inserted_at) VALUES ('old', now() - INTERVAL 100 DAY)",
        settings={"mutations_sync": 2},
    )
    prepare_retention(platform)
    client.command("SYSTEM START TTL MERGES outcomes")
    client.command("OPTIMIZE TABLE outcomes FINAL")
    assert client.query("SELECT count() FROM outcomes WHERE outcome_id = 'old'").result_rows == [(1,)]


def test_a_setting_shortens_but_never_below_what_a_pack_demands(platform: Platform) -> None:
    platform.settings.clickhouse.retention_days = 30
    changed = prepare_retention(platform)
    assert all(line.endswith("→ 762 d (pack ecoa-fcra of policy credit)") for line in changed)
    assert {days for days in kept_days(platform.clickhouse()).values() if days is not None} == {762}


def test_a_policy_whose_pack_demands_more_than_a_table_keeps_is_refused_before_it_is_published(
    platform: Platform,
) -> None:
    check_retention(platform, parse(CREDIT, "credit"))
    platform.clickhouse().command("ALTER TABLE decisions MODIFY TTL inserted_at + INTERVAL 700 DAY")
    with pytest.raises(UnhonouredPackError, match="nothing was changed: policy credit, pack ecoa-fcra"):
        check_retention(platform, parse(CREDIT, "credit"))
