"""Until when a task must be decided."""

from collections.abc import Mapping
from typing import Any

from interlock.processors.review.times import micros


def due_at(task: Mapping[str, Any], now: int) -> int:
    """The deadline of a `Task` record, or the end of its caller's patience if that comes first; microseconds."""
    deadline, until = micros(task["deadline"]), task["caller_until"]
    if until is None or task["caller_left"] or task["version"] or micros(until) <= now:
        return deadline
    return min(deadline, micros(until))
