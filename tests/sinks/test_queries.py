"""The views and what the command line asks of them."""

import pytest
from clickhouse_connect.driver.client import Client

from interlock.schemas import wire
from interlock.sinks import queries
from tests.sinks.sink_world import AUTO, DECISIONS, START, World, decision

pytestmark = pytest.mark.warehouse


@pytest.fixture
def world(own: Client, run_id: str) -> World:
    """Six decisions: two auto of which one is audited, one each of async, sync and manual, one unreadable."""
    world = World(run_id, own)
    world.pipeline(6)
    writer = world.writer()
    world.settle(writer)
    writer.close()
    return world


def test_an_audited_decision_counts_once(world: World) -> None:
    found = queries.metrics(world.client)
    assert (found["total_decisions"], found["dead_letters"]) == (5, 1)
    assert found["auto_approved_rate"] == pytest.approx(2 / 5)
    assert found["human_review_rate"] == pytest.approx(3 / 5)
    assert (found["async_rate"], found["sync_rate"], found["manual_rate"]) == pytest.approx((0.2, 0.2, 0.2))
    assert found["audit_rate"] == found["reviewed_after_effect_rate"] == pytest.approx(1 / 2)
    assert found["dead_letter_rate"] == pytest.approx(1 / 6)
    assert found["mean_confidence"] == pytest.approx(0.9)
    assert found["mean_calibrated_confidence"] == pytest.approx(0.85)
    assert found["mean_propensity"] == pytest.approx(0.05)
    assert found["routing_latency_ms_p50"] == pytest.approx(20.0)
    assert found["unreadable_records"] == 0


def test_rates_of_nothing_are_unknown(own: Client) -> None:
    found = queries.metrics(own)
    assert (found["total_decisions"], found["dead_letters"]) == (0, 0)
    assert [name for name, value in found.items() if value is not None] == [
        "total_decisions",
        "repeated",
        "dead_letters",
        "unreadable_records",
        "reviewed_decisions",
        "open_tasks",
        "breached_open",
    ]


def test_a_confidence_that_is_no_number_spoils_no_mean(world: World) -> None:
    broken = decision("nan", world.name, confidence=float("nan"), created_at=2**62)
    world.send(DECISIONS, b"nan", wire.encode("Decision", broken))
    world.route(broken, "manual")
    world.settle(world.writer())
    found = queries.metrics(world.client)
    assert found["total_decisions"] == 6
    assert found["mean_confidence"] == pytest.approx(0.9)
    assert found["routing_latency_ms_p99"] == pytest.approx(20.0)


def test_every_way_of_slicing_gives_the_same_total(world: World) -> None:
    _, by_domain = queries.select(world.client, "SELECT sum(total_decisions) FROM metrics_by_domain")
    _, by_minute = queries.select(
        world.client,
        "SELECT sum(total_decisions), sum(auto + async + sync + manual), sum(review_copies), sum(dead_letters) "
        "FROM metrics_by_minute",
    )
    assert by_domain == [(5,)]
    assert by_minute == [(5, 5, 1, 1)]


def test_a_minute_with_only_dead_letters_has_a_row(own: Client, run_id: str) -> None:
    world = World(run_id, own)
    world.send(DECISIONS, b"k", b"unreadable")
    world.bury(b"k", b"unreadable")
    world.settle(world.writer())
    _, rows = queries.select(own, "SELECT total_decisions, dead_letters FROM metrics_by_minute")
    assert rows == [(0, 1)]


def test_the_timeline_of_a_decision_is_told_in_order(world: World) -> None:
    audited = queries.decision_timeline(world.client, f"{world.name}-4")
    assert [row["event"] for row in audited[:4]] == ["decided", "received", "routed", "sent to review"]
    assert "auto because of lane, policy 0123456789abcdef, audit" in audited[2]["detail"]
    assert audited[2]["kafka_topic"] == AUTO
    buried = queries.decision_timeline(world.client, f"{world.name}-5")
    assert [row["event"] for row in buried] == ["received", "dead-lettered"]
    assert queries.decision_timeline(world.client, "nobody") == []


def test_what_kafka_received_in_the_millisecond_of_its_decision_comes_after_it(own: Client, run_id: str) -> None:
    world = World(run_id, own)
    record = {**decision("at-once", run_id), "created_at": START + 456}
    world.producer.produce(DECISIONS, wire.encode("Decision", record), b"at-once", timestamp=START // 1000)
    world.producer.flush()
    world.settle(world.writer())
    assert [row["event"] for row in queries.decision_timeline(own, "at-once")] == ["decided", "received"]


def test_recent_rates_count_each_decision_once(own: Client, run_id: str) -> None:
    world = World(run_id, own)
    world.pipeline(6)
    world.settle(world.writer())
    # The world's clock stands at the beginning of 2026; reach back to it.
    seconds = 10 * 365 * 86_400
    found = queries.recent_rates(own, seconds)
    assert {name: round(rate * seconds) for name, rate in found.items()} == {
        "decisions": 5,
        "auto": 2,
        "async": 1,
        "sync": 1,
        "manual": 1,
    }
    assert queries.recent_rates(own, 1)["decisions"] == 0
