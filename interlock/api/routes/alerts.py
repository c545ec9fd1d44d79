"""Alerts and webhooks: what was told, and whether it arrives."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response, Security
from pydantic import ConfigDict

from interlock.api import alerts, webhooks
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import Body
from interlock.api.pages import Cursor, Limit

router = APIRouter(prefix="/v1", tags=["alerts"])

Reader = Annotated[Principal, Security(authenticated, scopes=["alerts:read"])]
Operator = Annotated[Principal, Security(authenticated, scopes=["alerts:write"])]


class AlertTest(Body):
    """To whom: the caller's contact, or the operators' channels."""

    to: Literal["me", "operators"] = "me"

    model_config = ConfigDict(json_schema_extra={"example": {"to": "operators"}})


@router.get("/alerts", summary="Alerts, newest first")
def listed(
    request: Request,
    person: Reader,
    mine: Annotated[bool, Query(description="Only those that name the caller.")] = False,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """As long as Kafka keeps them. `to` names people; an empty one the operators. A page may be short although `next`
    says that there are more."""
    return answer(alerts.alert_rows(backend_of(request), person.person if mine else "", cursor, limit))


@router.post("/alerts/test", summary="Send a test alert", status_code=202)
def send_test_alert(request: Request, person: Operator, body: AlertTest) -> Response:
    """Answers when Kafka has it; the notifier sends it within a second. 409 `no-contact` where the caller has none."""
    facts = alerts.send_test(backend_of(request), person.person, to_operators=body.to == "operators")
    return answer(facts, 202)


@router.get("/webhooks", summary="Where webhooks go, what waits, and what was given up")
def deliveries(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """`lag` counts offsets that the group has still to read; `failures` are dead letters, which can be sent again.
    `receiver` is null where this server knows none."""
    return answer(webhooks.webhook_facts(backend_of(request)))


@router.post("/webhooks/test", summary="Post a signed test webhook and wait for the answer")
def send_test_webhook(request: Request, person: Operator) -> Response:  # noqa: ARG001
    """Of type `decision.test`, which a receiver must ignore. 502 with its answer where it does not take it."""
    return answer(webhooks.send_test(backend_of(request)))
