"""The kill switch: what is halted, and halting and resuming with a reason. The banner that stands on every page."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from interlock.api.access.principal import Principal
from interlock.api.backend import Backend, backend_of
from interlock.api.control_history import QUERY, control_history
from interlock.console.attempts import attempted
from interlock.console.pages.showing import needs, show

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("controls:read"))]

# A screen; who wants more asks ClickHouse.
_HISTORY = 50


@router.get("/banner")
def banner(request: Request, person: Annotated[Principal, Depends(needs())]) -> Response:  # noqa: ARG001 - who may
    """What is halted, for the top of every page."""
    return show(request, "parts/banner.html")


@router.get("/controls")
def controls(request: Request, person: Reader) -> Response:  # noqa: ARG001
    backend = backend_of(request)
    if "hx-request" in request.headers:
        return show(request, "parts/controls.html")
    return show(request, "controls.html", **_history(backend), **_known(backend))


@router.get("/controls/history")
def history(request: Request, person: Reader) -> Response:  # noqa: ARG001
    """The part about the past, which ClickHouse tells some seconds late."""
    return show(request, "parts/control_history.html", **_history(backend_of(request)))


def _history(backend: Backend) -> dict[str, Any]:
    rows, problem = attempted(lambda: control_history(backend, _HISTORY))
    return {"history": rows or [], "history_problem": problem, "history_sql": QUERY}


def _known(backend: Backend) -> dict[str, Any]:
    """Domains and models that policies in force name; others can be halted as well."""
    domains = {name: domain for policy in backend.policies.in_force.values() for name, domain in policy.domains.items()}
    return {
        "domains": sorted(domains),
        "models": sorted({model for domain in domains.values() for model in domain.models}),
    }
