"""A gold item as the task that it looks like, for tools that show how a task stands."""

from collections.abc import Mapping
from typing import Any

from interlock.policy.review import Terms
from interlock.processors.desk.pretence import ordinary
from interlock.processors.desk.task import from_record
from interlock.schemas import wire
from interlock.schemas.times import moment


def like_others(task: Mapping[str, Any], terms: Terms, now: int) -> dict[str, Any]:
    """The `Task` record with the outcome that any other task would have; itself if it is no gold item.

    `now`: microseconds since the epoch.
    """
    if task["kind"] != "gold":
        return dict(task)
    record = wire.decode_plain("Task", wire.encode("Task", dict(task)))
    looks = ordinary(from_record(record), terms, now)
    return {
        **task,
        "version": looks.version,
        "outcome": looks.outcome,
        "decided_by": looks.decided_by,
        "decided_at": None if looks.decided_at is None else moment(looks.decided_at),
        "override_until": None if looks.override_until is None else moment(looks.override_until),
    }
