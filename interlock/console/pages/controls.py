"""The kill switch: what is halted, and halting and resuming with a reason. The banner that stands on every page."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.api import recalls
from interlock.api.access.principal import Principal
from interlock.api.backend import Backend, backend_of
from interlock.api.control_history import QUERY, control_history
from interlock.console.attempts import attempted
from interlock.console.pages.showing import needs, show
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("controls:read"))]
Lead = Annotated[Principal, Depends(needs("controls:read", "tasks:write"))]
Scope = Annotated[str, Query(min_length=1, max_length=MAX_ID_BYTES)]

# A screen; who wants more asks ClickHouse.
_HISTORY = 50

# A few screens, to see what kind of decisions they are; the button takes all of them.
_SHOWN = 100


@router.get("/banner")
def banner(request: Request, person: Annotated[Principal, Depends(needs())]) -> Response:  # noqa: ARG001 - who may
    """What is halted, for the top of every page."""
    return show(request, "parts/banner.html")


@router.get("/controls")
def controls(request: Request, person: Reader) -> Response:
    backend = backend_of(request)
    if "hx-request" in request.headers:
        return show(request, "parts/controls.html", recallable=_recallable(backend, person))
    return show(
        request, "controls.html", recallable=_recallable(backend, person), **_history(backend), **_known(backend)
    )


@router.get("/controls/recall")
def recall(request: Request, person: Lead, scope: Scope) -> Response:  # noqa: ARG001 - who may
    """What took effect without a person in a scope, with the button that sends it to people."""
    found = recalls.recall_page(backend_of(request), scope, "", _SHOWN)
    template = "parts/recall.html" if "hx-request" in request.headers else "recall.html"
    here = f"/controls/recall?{urlencode({'scope': scope})}"
    return show(request, template, scope=scope, here=here, count=found["count"], decisions=found["decisions"])


@router.get("/controls/history")
def history(request: Request, person: Reader) -> Response:  # noqa: ARG001
    """The part about the past, which ClickHouse tells some seconds late."""
    return show(request, "parts/control_history.html", **_history(backend_of(request)))


def _recallable(backend: Backend, person: Principal) -> dict[str, int]:
    """How much could be sent to people, by the scope of a halt; empty for who may not do that."""
    if "tasks:write" not in person.scopes or "lead" not in person.roles:
        return {}
    return {halt.scope: len(recalls.found_in(backend, halt.scope)) for halt in backend.board.halts}


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
