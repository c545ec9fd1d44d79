"""What a task is about, as a reviewer's tool has fetched it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Payload:
    """A `RoutedDecision` record. `verified`: its bytes have the task's hash. `note`: what a reviewer must know of where
    it comes from, or empty. `damage`: what cannot be read of it, in sentences; none for a record that is whole."""

    routed: dict[str, Any]
    verified: bool
    note: str = ""
    damage: tuple[str, ...] = ()


def as_shown(task: Mapping[str, Any], payload: Payload) -> Payload:
    """What a reviewer sees of it: a gold item has the id and the age that its case had when it was new.

    The task is the `Task` record; times are datetimes.
    """
    if task["kind"] != "gold":
        return payload
    routed = payload.routed
    decision = routed["decision"]
    try:
        created_at = decision["created_at"] + (task["routed_at"] - routed["routed_at"])
    except OverflowError:  # a producer's clock at the end of the calendar
        created_at = task["routed_at"]
    shown = {**decision, "decision_id": task["task_id"], "created_at": created_at}
    return replace(payload, routed={**routed, "routed_at": task["routed_at"], "decision": shown})
