"""The system: roles, what stands still, Kafka and ClickHouse, how far everybody is, and tokens."""

import platform
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

import interlock
from interlock.api.access import tokens
from interlock.api.access.access import Access
from interlock.api.access.principal import Principal
from interlock.api.access.roles import ROLES, SCOPES
from interlock.api.backend import backend_of
from interlock.api.lag import group_lags
from interlock.api.routes.system import system_facts
from interlock.api.routes.tokens import shown
from interlock.console.attempts import attempted
from interlock.console.pages.showing import needs, show

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("system:read"))]


@router.get("/system")
def system(request: Request, person: Reader) -> Response:
    backend = backend_of(request)
    facts: dict[str, Any] = {"facts": system_facts(backend), "open_cases": backend.board.count()}
    if "hx-request" in request.headers:
        return show(request, "parts/system.html", **facts)
    versions = {
        "Interlock": interlock.__version__,
        "HTTP API": request.app.version,
        "Python": platform.python_version(),
    }
    return show(
        request,
        "system.html",
        versions=versions,
        tokens=_tokens(request) if "tokens:write" in person.scopes else [],
        roles=ROLES,
        scopes=SCOPES,
        default_days=tokens.DEFAULT_DAYS,
        **facts,
    )


@router.get("/system/lag")
def lag(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """The part about consumer groups, which takes a moment."""
    backend = backend_of(request)
    groups, problem = attempted(lambda: group_lags(backend))
    return show(request, "parts/lag.html", groups=groups or [], problem=problem)


@router.get("/system/tokens")
def token_list(request: Request, person: Annotated[Principal, Depends(needs("tokens:write"))]) -> Response:  # noqa: ARG001
    """The part about tokens."""
    return show(request, "parts/tokens.html", tokens=_tokens(request))


def _tokens(request: Request) -> list[dict[str, Any]]:
    """Newest first, and those that still work before the others."""
    access: Access = request.app.state.access
    rows = [shown(record, access.now()) for record in tokens.list_tokens(access.table)]
    return sorted(reversed(rows), key=lambda row: row["state"] != "active")
