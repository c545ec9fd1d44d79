"""What a reviewer sees and does: tasks as one person may see them, lists, and the state of the queues."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from interlock.api.backend import Backend
from interlock.api.like_others import like_others
from interlock.api.pages import decoded, encoded, foreign
from interlock.api.problems import not_found
from interlock.api.similar_cases import find_similar_cases
from interlock.processors.review.open_task import OpenTask
from interlock.processors.review.payload import Payload
from interlock.processors.review.queue_counts import QueueCounts, count_queues
from interlock.processors.review.similar import SimilarCases
from interlock.processors.review.similar import wanted as wanted_of
from interlock.processors.review.times import SECOND
from interlock.processors.review.view import TaskView, build_view, terms_of_task
from interlock.schemas.models import MAX_ID_BYTES
from interlock.schemas.times import moment

Record = dict[str, Any]

# A gold item has an id like its case; where that has no digits to change, with a suffix. Earlier desks wrote a prefix,
# `gold:` and the id of a command, which for an interactive tool is a UUID.
MAX_TASK_ID = MAX_ID_BYTES + 64


@dataclass(frozen=True)
class ShownTask:
    """A task as one person sees it. `record`: that of `find_task`, which is not for their eyes."""

    record: Record
    payload: Payload
    view: TaskView

    @property
    def routed(self) -> Record:
        """The `RoutedDecision` that the task is about."""
        return self.payload.routed


def etag_of(task: Record) -> str:
    """Changes with the lease, the payload and the state of a `Task` record: what a verdict must be about."""
    return f'"{task["lease_epoch"]}.{task["payload_hash"]}.{task["version"]}.{task["state"]}"'


def find_task(backend: Backend, task_id: str) -> Record:
    """The desk's record, of a gold item with the outcome of the task that it looks like. Raises Problem."""
    task = backend.board.task(task_id)
    if task is None:
        raise not_found("task", task_id)
    return like_others(task, terms_of_task(task, backend.policies.owner(task["domain"])), backend.now())


def show_task(
    backend: Backend, task: Record, *, why_first: str = "", reveal: bool = False, reader: str = ""
) -> ShownTask:
    """The task as a reviewer may see it now. Raises InterlockError and KafkaException where the payload is away."""
    payload = backend.payload(task)
    view = build_view(
        task,
        payload,
        backend.now(),
        routed_by=backend.policies.routed_by(task["policy_version"]),
        in_force=backend.policies.owner(task["domain"]),
        why_first=why_first,
        reveal=reveal,
        reader=reader,
    )
    return ShownTask(task, payload, view)


def similar_cases(backend: Backend, shown: ShownTask) -> SimilarCases | None:
    """Similar cases that people have judged, where the producer sent none and the reader may know the AI's answer.

    Raises InterlockError and ClickHouseError.
    """
    if not wanted_of(shown.view):
        return None
    in_force = backend.policies.owner(shown.record["domain"])
    with backend.clickhouse() as client:
        return find_similar_cases(
            client,
            shown.record["decision_id"],
            shown.view,
            shown.payload,
            in_force,
            backend.now(),
            backend.platform.keys_to_read,
        )


def listed(task: OpenTask, now: int) -> dict[str, Any]:
    """A row of a list, for JSON."""
    times = {"deadline": moment(task.deadline), "arrived_at": moment(task.arrived_at)}
    return {**asdict(task), **times, "due_seconds": (task.deadline - now) // SECOND}


def queue_counts(backend: Backend) -> list[QueueCounts]:
    """Every queue that has open tasks."""
    return count_queues(backend.board.open_tasks(), backend.now())


def wanted(
    *, state: str = "", holder: str = "", priority: str = "", domain: str = "", overdue_at: int | None = None
) -> Callable[[OpenTask], bool]:
    """A filter of open tasks; `overdue_at`: only those whose deadline has passed at that moment."""

    def accepts(task: OpenTask) -> bool:
        return (
            (not state or task.state == state)
            and (not holder or task.holder == holder)
            and (not priority or task.priority == priority)
            and (not domain or task.domain == domain)
            and (overdue_at is None or task.deadline < overdue_at)
        )

    return accepts


def cursor_of(task: OpenTask) -> str:
    """Where a list goes on behind this task."""
    return encoded([task.deadline, task.task_id])


def from_cursor(cursor: str) -> tuple[int, str] | None:
    """The place that a cursor names; None for an empty one. Raises Problem."""
    match decoded(cursor):
        case None:
            return None
        case [deadline, str(task_id)] if type(deadline) is int:
            return deadline, task_id
    raise foreign()
