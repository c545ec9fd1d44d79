"""One command on many tasks. Verdicts are not among them: a person judges one case at a time."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.commands import Name, Text
from interlock.api.shapes import BulkReply
from interlock.api.work import MAX_TASK_ID
from interlock.errors import InterlockError
from interlock.review.desk_connection import CommandRefusedError, Reply

router = APIRouter(prefix="/v1/tasks/bulk", tags=["tasks"])

# What fits on a few screens: more is the work of a policy, not of a person.
MAX_TASKS = 200

# An `other` reason exists under every policy.
_REASON = "other"

Reviewer = Annotated[Principal, Security(authenticated, scopes=["tasks:write"])]
TaskId = Annotated[str, Field(max_length=MAX_TASK_ID)]


class Bulk(BaseModel):
    """Which tasks, and why; the reason is kept with each of them."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[TaskId], Field(min_length=1, max_length=MAX_TASKS)]
    reason: Annotated[Text, Field(min_length=1)]


@router.post("/release", summary="Give tasks back that the caller holds", response_model=BulkReply)
def release(request: Request, person: Reviewer, body: Bulk) -> Response:
    desk = backend_of(request).desk_of(person.person)
    board = backend_of(request).board

    def one(task_id: str) -> Reply:
        return desk.release(task_id, board.epoch(task_id), _REASON, body.reason)

    return _each(request, body, one)


@router.post("/escalate", summary="Pass tasks to the leads", response_model=BulkReply)
def escalate(request: Request, person: Reviewer, body: Bulk) -> Response:
    desk = backend_of(request).desk_of(person.person)
    return _each(request, body, lambda task_id: desk.escalate(task_id, reason_text=body.reason))


@router.post("/reassign", summary="Give tasks to a person", response_model=BulkReply)
def reassign(request: Request, person: Reviewer, body: Bulk, to: Annotated[Name, Query(min_length=1)]) -> Response:
    desk = backend_of(request).desk_of(person.person)
    return _each(request, body, lambda task_id: desk.reassign(task_id, to))


@router.post("/recall", summary="As a lead: people judge what took effect without one", response_model=BulkReply)
def recall(request: Request, person: Reviewer, body: Bulk) -> Response:
    desk = backend_of(request).desk_of(person.person)
    return _each(request, body, lambda task_id: desk.recall(task_id, body.reason))


def _each(request: Request, body: Bulk, command: Callable[[str], Reply]) -> Response:
    """What became of each task. One that is refused does not keep the others from it."""
    results: list[dict[str, Any]] = []
    for task_id in body.ids:
        try:
            reply = command(task_id)
            backend_of(request).board.wait_for(reply)
            results.append({"task_id": task_id, "accepted": True, "code": reply.code, "message": reply.message})
        except CommandRefusedError as refused:
            message = refused.reply.message
            results.append({"task_id": task_id, "accepted": False, "code": refused.code, "message": message})
        except InterlockError as error:
            results.append({"task_id": task_id, "accepted": False, "code": "unavailable", "message": str(error)})
            break
    accepted = sum(result["accepted"] for result in results)
    return answer({"accepted": accepted, "refused": len(results) - accepted, "results": results})
