"""What the demonstration says that its people did."""

from datetime import UTC, datetime
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from interlock.demo.counts import Reviews, count_reviews
from tests.sinks.review_records import HOUR, MINUTE, START, outcome, task
from tests.sinks.sink_world import OUTCOMES, TASKS, World

pytestmark = pytest.mark.warehouse


def test_verdicts_of_an_earlier_demonstration_are_not_counted_but_its_open_tasks_are(own: Client, run_id: str) -> None:
    world = World(run_id, own)
    now = START + 5 * HOUR

    def decide(name: str, at: int, **changes: Any) -> None:
        record = outcome(f"{run_id}-{name}", at=at, claimed_at=at - MINUTE, domain=run_id, **changes)
        world.tell(OUTCOMES, record["decision_id"], record)

    def wait(name: str, **changes: Any) -> None:
        record = task(f"{run_id}-{name}", domain=run_id, **changes)
        world.tell(TASKS, record["task_id"], record)

    decide("old", now - HOUR)
    decide("agreed", now)
    decide("overridden", now + MINUTE, outcome="reject", within_sla=False)
    decide("planted", now + MINUTE, kind="gold")
    wait("late", breached=True)
    wait("held", state="leased", lease_holder="ann")
    wait("done", state="done", breached=True)
    writer = world.writer()
    world.settle(writer)
    writer.close()
    reviews = count_reviews(own, run_id, datetime.fromtimestamp(now / 1_000_000, UTC))
    assert reviews == Reviews(decided=2, overridden=1, in_time=1, seconds=60.0, held=1, late=1, open=2)
    assert count_reviews(own, run_id).decided == 3
