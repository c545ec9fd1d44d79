"""The kill switch: what may not take effect without a person at present."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import ConfigDict

from interlock.api import controls, recalls
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import Body, Name, Reason
from interlock.api.pages import Cursor, Limit
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1/controls", tags=["controls"])

Reader = Annotated[Principal, Security(authenticated, scopes=["controls:read"])]
# The list tells which decisions are under review as samples, which reviewers are not to know.
Lead = Annotated[Principal, Security(authenticated, scopes=["controls:read", "tasks:write"])]
Operator = Annotated[Principal, Security(authenticated, scopes=["controls:write"])]


class Control(Body):
    """`scope`: all, domain:NAME, model:ID or model:ID@VERSION. `reason`: shown to everybody."""

    scope: Name
    reason: Reason

    model_config = ConfigDict(json_schema_extra={"example": {"scope": "model:scorer@7", "reason": "drift alarm"}})


@router.get("", summary="What is halted, by whom, since when and why")
def listed(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """An unusable record counts as a halt of everything, as it does for routers."""
    return answer({"halts": controls.halt_rows(backend_of(request))})


@router.get("/recallable", summary="What took effect without a person in a scope, and can be rolled back")
def recallable(
    request: Request,
    person: Lead,  # noqa: ARG001 - who may
    scope: Annotated[str, Query(min_length=1, max_length=MAX_ID_BYTES, description="As for a halt.")],
    limit: Limit = 200,
    cursor: Cursor = "",
) -> Response:
    """Nobody has judged these decisions; each becomes final at `until`. `count` says how many there are.
    `POST /v1/tasks/bulk/recall` sends them to people."""
    return answer(recalls.recall_page(backend_of(request), scope, cursor, limit))


@router.post("/halt", summary="Pull the kill switch")
def halt(request: Request, person: Operator, body: Control) -> Response:
    """From the next batch on nothing in scope takes effect without a person. A halt of what is halted already replaces
    reason and author."""
    return answer(controls.switch(backend_of(request), person.person, body.scope, body.reason, halted=True))


@router.post("/resume", summary="Lift a halt")
def resume(request: Request, person: Operator, body: Control) -> Response:
    """Of that very scope: `all` does not lift the halt of a model."""
    return answer(controls.switch(backend_of(request), person.person, body.scope, body.reason, halted=False))
