"""A decision's story: what happened to it, what holds, and its task."""

from dataclasses import asdict
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException

from interlock.api.access.principal import Principal
from interlock.api.backend import Backend
from interlock.api.blindness import TOLD_AFTER_VERDICT, check_not_blind, tells_after_verdict
from interlock.errors import InterlockError
from interlock.sinks import queries


def story_of(backend: Backend, person: Principal, decision_id: str) -> dict[str, Any] | None:
    """The facts that the person may have; None where nobody knows the decision. What cannot be read is named in
    `unavailable`: the timeline too of what the person may judge and nobody has decided. Raises Problem where the
    decision is under a blind review."""
    check_not_blind(backend.board, person, decision_id)
    unavailable: dict[str, str] = {}
    resolution, timeline, task = None, [], None
    try:
        found = backend.client.resolution(decision_id)
        resolution = None if found is None else asdict(found)
    except InterlockError as error:
        unavailable["resolution"] = str(error)
    try:
        if tells_after_verdict(backend.board, person, decision_id):
            unavailable["timeline"] = TOLD_AFTER_VERDICT
        else:
            with backend.clickhouse() as client:
                timeline = queries.decision_timeline(client, decision_id, backend.platform.keys_to_read)
    except (ClickHouseError, InterlockError, OSError) as error:
        unavailable["timeline"] = str(error).strip().splitlines()[0]
    try:
        task = backend.board.task(decision_id)
    except (InterlockError, KafkaException) as error:
        unavailable["task"] = str(error)
    if resolution is None and not timeline and task is None and not unavailable:
        return None
    return {
        "decision_id": decision_id,
        "resolution": resolution,
        "timeline": timeline,
        "task": None if task is None else _task_facts(task),
        "unavailable": unavailable,
    }


def _task_facts(task: dict[str, Any]) -> dict[str, Any]:
    """Where the decision stands with people, without what a blind review withholds."""
    shown = ("task_id", "state", "queue", "priority", "workflow", "deadline", "override_until", "round", "version")
    return {name: task[name] for name in shown}
