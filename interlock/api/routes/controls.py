"""The kill switch: what may not take effect without a person at present."""

from typing import Annotated

from fastapi import APIRouter, Request, Response, Security
from pydantic import ConfigDict

from interlock.api import controls
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import Body, Name, Reason

router = APIRouter(prefix="/v1/controls", tags=["controls"])

Reader = Annotated[Principal, Security(authenticated, scopes=["controls:read"])]
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


@router.post("/halt", summary="Pull the kill switch")
def halt(request: Request, person: Operator, body: Control) -> Response:
    """From the next batch on nothing in scope takes effect without a person. A halt of what is halted already replaces
    reason and author."""
    return answer(controls.switch(backend_of(request), person.person, body.scope, body.reason, halted=True))


@router.post("/resume", summary="Lift a halt")
def resume(request: Request, person: Operator, body: Control) -> Response:
    """Of that very scope: `all` does not lift the halt of a model."""
    return answer(controls.switch(backend_of(request), person.person, body.scope, body.reason, halted=False))
