"""Until when a person has to decide."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock.processors.review.due import due_at
from interlock.processors.review.handing_out import why_given, why_handed_out
from interlock.processors.review.times import micros

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = micros(NOON)


def task(**fields: Any) -> dict[str, Any]:
    plain = {
        "deadline": NOON + timedelta(hours=1),
        "caller_until": None,
        "caller_left": False,
        "version": 0,
        "assigned_to": "ann",
        "event": "assigned",
        "route": "sync",
        "queue": "desk",
    }
    return plain | fields


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 3600),
        ({"caller_until": NOON + timedelta(seconds=30)}, 30),
        ({"caller_until": NOON + timedelta(hours=2)}, 3600),
        ({"caller_until": NOON + timedelta(seconds=30), "caller_left": True}, 3600),
        ({"caller_until": NOON + timedelta(seconds=30), "version": 1}, 3600),
        ({"caller_until": NOON}, 3600),
    ],
    ids=["no caller told", "the caller leaves first", "the deadline is first", "left", "decided before", "over"],
)
def test_a_task_is_due_at_its_deadline_or_when_its_caller_stops_waiting(fields: dict[str, Any], seconds: int) -> None:
    assert due_at(task(**fields), NOW) == NOW + seconds * 1_000_000


def test_who_is_pushed_a_task_reads_for_how_long_its_caller_waits_and_nothing_of_one_who_has_left() -> None:
    waits = task(caller_until=NOON + timedelta(seconds=30))
    assert why_handed_out(waits, None, NOW).startswith("pushed to you because its caller waits and")
    assert why_handed_out(waits, None, NOW).endswith("; due in 30 s")
    assert "queue desk assigns its tasks" in why_given(task(caller_left=True))
