"""Alerts: what people were told lately; and webhooks: what is posted to the other system, and what it did not take."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.api import alerts, webhooks
from interlock.api.access.principal import Principal
from interlock.api.backend import backend_of
from interlock.console.attempts import attempted
from interlock.console.pages.showing import needs, show

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("alerts:read"))]

# A screen and a half; the rest comes with "next rows".
_ROWS = 50

_NOTHING: dict[str, Any] = {"alerts": [], "next": None}


@router.get("/alerts")
def listed(
    request: Request,
    person: Reader,
    mine: bool = False,
    cursor: Annotated[str, Query(max_length=1_000)] = "",
) -> Response:
    backend = backend_of(request)
    to = person.person if mine else ""
    found, problem = attempted(lambda: alerts.alert_rows(backend, to, cursor, _ROWS))
    page = found or _NOTHING
    filters = {"mine": "true"} if mine else {}
    context: dict[str, Any] = {
        "alerts": page["alerts"],
        "problem": problem,
        "mine": mine,
        "here": f"/alerts?{urlencode(filters | ({'cursor': cursor} if cursor else {}))}",
        "first": f"/alerts?{urlencode(filters)}" if cursor else "",
        "following": f"/alerts?{urlencode({**filters, 'cursor': page['next']})}" if page["next"] else "",
    }
    if "hx-request" in request.headers:
        return show(request, "parts/alert_list.html", **context)
    # Asking how far the group has come takes a second where Kafka is slow: it comes behind the page.
    return show(request, "alerts.html", **context)


@router.get("/alerts/webhooks")
def deliveries(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """The part about webhooks."""
    backend = backend_of(request)
    facts, problem = attempted(lambda: webhooks.webhook_facts(backend))
    return show(request, "parts/webhooks.html", facts=facts, problem=problem)
