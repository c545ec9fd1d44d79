"""A decision that comes again is counted once."""

from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.schemas.catalogue import SINK_GROUP
from tests.sinks.sink_world import MANUAL, World, decision

pytestmark = pytest.mark.warehouse


LATENCIES = "routing_latency_ms_p50, routing_latency_ms_p90, routing_latency_ms_p99"


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Sums of fractions depend on their order in the last digits."""
    return {name: round(value, 9) if isinstance(value, float) else value for name, value in values.items()}


def metrics(world: World) -> dict[str, Any]:
    (row,) = world.client.query(f"SELECT * EXCEPT ({LATENCIES}) FROM metrics").named_results()
    return rounded(dict(row))


def of_domain(world: World) -> dict[str, Any]:
    (row,) = world.client.query(
        "SELECT total_decisions, repeated, auto_approved_rate, human_review_rate, audit_rate, mean_confidence "
        "FROM metrics_by_domain WHERE domain = {name:String}",
        parameters={"name": world.name},
    ).named_results()
    return rounded(dict(row))


def test_a_decision_that_is_sent_again_moves_no_number_but_repeated(own: Client, run_id: str) -> None:
    world = World(run_id, own)
    for number, route in enumerate(("auto", "auto", "manual", "sync")):
        world.route(decision(f"d{number}", run_id, confidence=0.6 + number / 10), route, audit=number == 1)
    world.send(MANUAL, b"d9", b"unreadable")
    world.settle(world.writer())
    before, domain_before = metrics(world), of_domain(world)
    assert (before["total_decisions"], before["repeated"]) == (5, 0)
    for number, route in ((0, "auto"), (0, "manual"), (1, "auto"), (2, "manual"), (2, "manual")):
        world.route(decision(f"d{number}", run_id), route, audit=number == 1)
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer())
    assert metrics(world) == before | {"repeated": 5}
    assert of_domain(world) == domain_before | {"repeated": 5}
    ((decisions, repeated),) = world.ask("SELECT sum(total_decisions), sum(repeated) FROM metrics_by_minute")
    assert (decisions, repeated) == (5, 5)


def test_the_same_id_in_two_domains_is_two_decisions(own: Client, run_id: str) -> None:
    world = World(run_id, own)
    for domain in ("loans", "claims"):
        world.route(decision("1", domain), "auto")
    world.settle(world.writer())
    assert (metrics(world)["total_decisions"], metrics(world)["repeated"]) == (2, 0)
