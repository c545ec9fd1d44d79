"""Alerts: what people were told lately, and whether alerts reach them."""

from typing import Any
from uuid import uuid4

from interlock.api.backend import Backend
from interlock.api.dead_letters import places
from interlock.api.pages import encoded
from interlock.api.problems import Problem
from interlock.policies.publishing import send
from interlock.processors.events import alert
from interlock.schemas import catalogue, wire
from interlock.streams.latest import latest
from interlock.streams.ports import Message


def alert_rows(backend: Backend, to: str, cursor: str, limit: int) -> dict[str, Any]:
    """A page, newest first; `to`: only those that name this person. Raises Problem and KafkaException."""

    def row(message: Message) -> dict[str, Any] | None:
        try:
            record = wire.decode("Alert", message.value())
        except ValueError:  # nobody was told
            return None
        return record if not to or to in record["to"] else None

    rows, following = latest(backend.broker, catalogue.ALERTS.name, row, limit, places(cursor))
    return {"alerts": rows, "next": None if following is None else encoded([*following.items()])}


def send_test(backend: Backend, person: str, *, to_operators: bool) -> dict[str, Any]:
    """Sends an alert of kind `test` to the person, or to the operators; the notifier passes it on as any other.

    Raises Problem and InterlockError.
    """
    if not to_operators and not backend.board.reviewers.get(person, {}).get("contact"):
        detail = f"{person} has no contact on the roster, so that no alert can reach this person: enter one"
        raise Problem(409, "no-contact", detail)
    people = () if to_operators else (person,)
    message = f"{person} tests whether alerts arrive: nothing is to be done"
    event = alert("test", uuid4().hex, "info", people, message, backend.now())
    assert event.record is not None
    send(backend.broker, catalogue.ALERTS, event.key, wire.encode("Alert", event.record))
    return event.record
