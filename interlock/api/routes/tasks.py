"""What reviewers and leads do with tasks; each command is answered with the desk's reply."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import APIRouter, Header, Path, Query, Request, Response, Security

from interlock.api import commands, shapes, work
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import Backend, backend_of
from interlock.api.preconditions import named
from interlock.api.problems import Problem
from interlock.errors import InterlockError
from interlock.processors.review.context import review_context
from interlock.processors.review.queue_counts import QueueCounts
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import Reply
from interlock.review.reopening import appeal
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1", tags=["tasks"])

TaskId = Annotated[str, Path(description="Id of the task.", max_length=work.MAX_TASK_ID)]
Reader = Annotated[Principal, Security(authenticated, scopes=["tasks:read"])]
Reviewer = Annotated[Principal, Security(authenticated, scopes=["tasks:write"])]
CommandId = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=MAX_ID_BYTES,
        description="Repeated under one key, a command is carried out once.",
    ),
]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=400, description="The ETag of what was shown.")]


@router.get("/queues", summary="Every queue: what waits, how long, and what is late", response_model=list[QueueCounts])
def queues(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    backend = backend_of(request)
    return answer([asdict(queue) for queue in work.queue_counts(backend)])


@router.get("/tasks", summary="Open tasks, earliest deadline first", response_model=shapes.TaskPage)
def tasks(
    request: Request,
    person: Reader,
    queue: Annotated[str, Query(max_length=MAX_ID_BYTES)] = "",
    state: Literal["", "waiting", "assigned", "leased", "snoozed"] = "",
    priority: Literal["", "critical", "high", "medium", "low"] = "",
    domain: Annotated[str, Query(max_length=MAX_ID_BYTES)] = "",
    mine: Annotated[bool, Query(description="Only what the caller holds or was given.")] = False,
    overdue: bool = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str, Query(max_length=1000, description="`next` of the page before.")] = "",
) -> Response:
    """Nothing in the list tells what the AI said, or which tasks are audits or gold."""
    backend = backend_of(request)
    now = backend.now()
    found = backend.board.open_tasks(
        queue,
        after=work.from_cursor(cursor),
        limit=limit + 1,
        wanted=work.wanted(
            state=state,
            priority=priority,
            domain=domain,
            holder=person.person if mine else "",
            overdue_at=now if overdue else None,
        ),
    )
    page, more = found[:limit], len(found) > limit
    rows = [work.listed(task, now) for task in page]
    return answer({"tasks": rows, "next": work.cursor_of(page[-1]) if more else None})


@router.post("/tasks/claim", summary="Take the best task for the caller", response_model=Reply)
def claim_next(request: Request, person: Reviewer, body: commands.ClaimNext, command_id: CommandId = None) -> Response:
    """404 `nothing-to-do` where none waits. The reply has the epoch and hash that a verdict needs."""
    reply = _desk(request, person).claim(queue=body.queue, command_id=command_id)
    return _replied(request, reply)


@router.post("/tasks/{task_id:id}/claim", summary="Take a task", response_model=Reply)
def claim(request: Request, person: Reviewer, task_id: TaskId, command_id: CommandId = None) -> Response:
    return _replied(request, _desk(request, person).claim(task_id, command_id=command_id))


@router.post("/tasks/{task_id:id}/extend", summary="Hold a task for another lease", response_model=Reply)
def extend(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.Lease, command_id: CommandId = None
) -> Response:
    return _replied(request, _desk(request, person).extend(task_id, body.epoch, command_id=command_id))


@router.post("/tasks/{task_id:id}/release", summary="Give a task back; with a reason: skip it", response_model=Reply)
def release(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.Release, command_id: CommandId = None
) -> Response:
    return _replied(request, _desk(request, person).release(task_id, **body.model_dump(), command_id=command_id))


@router.post("/tasks/{task_id:id}/submit", summary="Decide a task", response_model=Reply)
def submit(
    request: Request,
    person: Reviewer,
    task_id: TaskId,
    body: commands.Submit,
    command_id: CommandId = None,
    if_match: IfMatch = None,
) -> Response:
    """Counts only under the present lease and for the payload that was shown."""
    _check_etag(backend_of(request), task_id, if_match)
    return _replied(request, _desk(request, person).submit(task_id, **body.model_dump(), command_id=command_id))


@router.post("/tasks/{task_id:id}/open-evidence", summary="Open the evidence of a task", response_model=Reply)
def open_evidence(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.OpenEvidence, command_id: CommandId = None
) -> Response:
    """Where `evidence` of the view is folded: then it is shown, and a verdict is possible."""
    return _replied(
        request, _desk(request, person).open_evidence(task_id, body.epoch, body.payload_hash, command_id=command_id)
    )


@router.post(
    "/tasks/{task_id:id}/first-opinion", summary="Say what one thinks before the AI's answer", response_model=Reply
)
def first_opinion(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.FirstOpinion, command_id: CommandId = None
) -> Response:
    """Where `opinion_due` of the view is true: then the view has the AI's answer, and a verdict is possible."""
    return _replied(request, _desk(request, person).first_opinion(task_id, **body.model_dump(), command_id=command_id))


@router.post("/tasks/{task_id:id}/override", summary="Replace what was decided", response_model=Reply)
def override(
    request: Request,
    person: Reviewer,
    task_id: TaskId,
    body: commands.Override,
    command_id: CommandId = None,
    if_match: IfMatch = None,
) -> Response:
    """Within the override window; what took effect is rolled back."""
    _check_etag(backend_of(request), task_id, if_match)
    return _replied(request, _desk(request, person).override(task_id, **body.model_dump(), command_id=command_id))


@router.post(
    "/tasks/{task_id:id}/escalate", summary="Pass a task to the leads, a queue or a person", response_model=Reply
)
def escalate(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.Escalate, command_id: CommandId = None
) -> Response:
    return _replied(request, _desk(request, person).escalate(task_id, **body.model_dump(), command_id=command_id))


@router.post("/tasks/{task_id:id}/de-escalate", summary="Give an escalated task back to its team", response_model=Reply)
def de_escalate(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.DeEscalate, command_id: CommandId = None
) -> Response:
    return _replied(request, _desk(request, person).de_escalate(task_id, **body.model_dump(), command_id=command_id))


@router.post("/tasks/{task_id:id}/reassign", summary="Give a task to a person", response_model=Reply)
def reassign(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.Reassign, command_id: CommandId = None
) -> Response:
    return _replied(request, _desk(request, person).reassign(task_id, body.to_reviewer, command_id=command_id))


@router.post("/tasks/{task_id:id}/snooze", summary="Put a task aside until a moment", response_model=Reply)
def snooze(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.Snooze, command_id: CommandId = None
) -> Response:
    return _replied(request, _desk(request, person).snooze(task_id, **body.model_dump(), command_id=command_id))


@router.post("/tasks/{task_id:id}/appeal", summary="Open a decision again", response_model=Reply)
def open_again(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.Appeal, command_id: CommandId = None
) -> Response:
    """Also one that took effect unseen, or that the desk has forgotten: it is put on file first."""
    backend, desk = backend_of(request), _desk(request, person)
    reply = appeal(
        desk,
        backend.broker,
        backend.clickhouse,
        task_id,
        body.statement,
        command_id,
        on_behalf_of=body.on_behalf_of,
        keys=backend.platform.keys_to_read,
    )
    return _replied(request, reply)


@router.post(
    "/tasks/{task_id:id}/gold", summary="Plant a copy of a decision whose right outcome is known", response_model=Reply
)
def gold(
    request: Request, person: Reviewer, task_id: TaskId, body: commands.Gold, command_id: CommandId = None
) -> Response:
    return _replied(request, _desk(request, person).gold(task_id, body.outcome, command_id=command_id))


@router.get(
    "/tasks/{task_id:id}", summary="A task with everything it takes to judge it", response_model=shapes.ShownTask
)
def task(
    request: Request,
    person: Reader,
    task_id: TaskId,
    reveal: Annotated[bool, Query(description="Show the AI's answer on a manual case.")] = False,
    similar: Annotated[bool, Query(description="Look for similar cases where the producer sent none.")] = True,
) -> Response:
    """`context` is what the case is about, `task` how it stands. A blind task does not contain the AI's answer."""
    backend = backend_of(request)
    shown = work.show_task(backend, work.find_task(backend, task_id), reveal=reveal, reader=person.person)
    return answer(task_facts(backend, shown, similar=similar), headers={"ETag": work.etag_of(shown.record)})


@router.post("/me/on-duty", summary="Take tasks from now on", tags=["me"], response_model=Reply)
def on_duty(request: Request, person: Reviewer, command_id: CommandId = None) -> Response:
    return _replied(request, _desk(request, person).on_duty(command_id))


@router.post("/me/off-duty", summary="Take no more tasks; those held return", tags=["me"], response_model=Reply)
def off_duty(request: Request, person: Reviewer, command_id: CommandId = None) -> Response:
    return _replied(request, _desk(request, person).off_duty(command_id))


def task_facts(backend: Backend, shown: work.ShownTask, *, similar: bool = True) -> dict[str, Any]:
    """For JSON. `similar`: cases found where the producer sent none; null with a `similar_problem` where none are."""
    found, problem = None, ""
    try:
        found = work.similar_cases(backend, shown) if similar else None
    except (ClickHouseError, InterlockError, OSError) as error:
        problem = str(error).strip().splitlines()[0]
    return {
        "context": review_context(shown.view, shown.payload, found),
        "task": shown.view.facts(),
        "similar": None if found is None else asdict(found),
        "similar_problem": problem,
    }


def _desk(request: Request, person: Principal) -> DeskClient:
    return backend_of(request).desk_of(person.person)


def _check_etag(backend: Backend, task_id: str, if_match: str | None) -> None:
    if if_match is None:
        return
    if not {"*", work.etag_of(work.find_task(backend, task_id))} & named(if_match):
        raise Problem(412, "stale-view", f"{task_id} has changed since it was shown: read it again, then decide")


def _replied(request: Request, reply: Reply) -> Response:
    backend_of(request).board.wait_for(reply)
    return answer(reply.for_people())
