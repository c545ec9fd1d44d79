"""Presence on a task: who else looks at it."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, Security

from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.shapes import Viewers
from interlock.api.viewing import tell_viewing, viewers_of
from interlock.api.work import MAX_TASK_ID, find_task

router = APIRouter(prefix="/v1", tags=["tasks"])


@router.post(
    "/tasks/{task_id:id}/viewing", summary="Tell others that the caller looks at a task", response_model=Viewers
)
def viewing(
    request: Request,
    person: Annotated[Principal, Security(authenticated, scopes=["tasks:read"])],
    task_id: Annotated[str, Path(description="Id of the task.", max_length=MAX_TASK_ID)],
) -> Response:
    """True for a minute: repeat it every twenty seconds. The answer names all who look at it."""
    backend = backend_of(request)
    find_task(backend, task_id)
    tell_viewing(backend, task_id, person.person)
    return answer({"viewers": sorted({*viewers_of(backend, task_id), person.person})})
