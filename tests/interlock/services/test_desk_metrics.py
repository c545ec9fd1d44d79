"""What the desk counts for Prometheus."""

from typing import Any

from interlock.processors.desk.processor import DeskProcessor
from interlock.services.desk_runner import InstrumentedDesk
from interlock.streams.metrics import Metrics
from tests.processors.desk.desk_records import START, policy_record, routed
from tests.processors.desk.desk_world import DAY


def test_changes_of_tasks_are_counted_by_what_has_happened() -> None:
    metrics = Metrics("desk")
    desk = DeskProcessor()
    desk.follow(policy_record())
    counted = InstrumentedDesk(desk, metrics)
    audit: dict[str, Any] = {"route": "auto", "audit": True, "override_until": START + DAY}
    arrived: Any = [routed("d1", topic="reviews.async", **audit), routed("d2", 1)]
    counted.process(arrived, START)
    counted.process([], START + 20 * DAY)
    counted.process([], START + 20 * DAY)

    def value(event: str) -> float | None:
        return metrics.registry.get_sample_value("interlock_task_events_total", {"role": "desk", "event": event})

    assert value("arrived") == 2
    assert value("not_judged") == 1
