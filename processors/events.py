"""What processors say besides their outputs: records for output topics, in order, and alerts for people."""

from dataclasses import dataclass
from typing import Any

from interlock.schemas import catalogue
from interlock.schemas.catalogue import Topic


@dataclass(frozen=True, slots=True)
class Event:
    """One record to be written; times in it are integers, microseconds since the epoch. None: a tombstone."""

    topic: Topic
    key: str
    record: dict[str, Any] | None


def alert(
    kind: str,
    cause: str,
    severity: str,
    to: tuple[str, ...],
    message: str,
    now: int,
    *,
    task_id: str = "",
    queue: str = "",
) -> Event:
    """An alert; `cause` tells it from others of its kind, and is the same in every replay."""
    alert_id = f"{kind}/{cause}"
    record = {
        "alert_id": alert_id,
        "kind": kind,
        "severity": severity,
        "to": list(dict.fromkeys(name for name in to if name)),
        "task_id": task_id,
        "queue": queue,
        "message": message,
        "at": now,
    }
    return Event(catalogue.ALERTS, alert_id, record)
