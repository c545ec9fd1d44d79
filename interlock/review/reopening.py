"""Reopens a decision, also one that took effect unseen: the desk gets a task of it, which can be appealed."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from interlock.errors import InterlockError, UnavailableError
from interlock.policies.publishing import send
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError, Reply
from interlock.review.stored_payload import stored_payload
from interlock.schemas import catalogue
from interlock.streams.ports import Broker

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# The desk makes a task of what it is given within tenths of a second.
_POLL_SECONDS = 0.2
_MAX_POLLS = 50

_POSITION = """
SELECT kafka_partition, kafka_offset FROM routed_decisions
WHERE decision_id = {id:String} AND kafka_topic = {topic:String}
ORDER BY kafka_timestamp DESC LIMIT 1
"""

_COUNT_RESOLUTIONS = "SELECT count() FROM resolutions WHERE decision_id = {id:String}"


def appeal(
    desk: DeskClient,
    broker: Broker,
    clickhouse: "Callable[[], AbstractContextManager[Client]]",
    task_id: str,
    statement: str,
    command_id: str | None = None,
    *,
    on_behalf_of: str = "",
) -> Reply:
    """Opens a decision again; the desk is given one that took effect unseen first. `clickhouse`: connects for that.

    Raises CommandRefusedError and InterlockError, and what queries raise.
    """
    try:
        return desk.appeal(task_id, statement, command_id, on_behalf_of=on_behalf_of)
    except CommandRefusedError as refused:
        if refused.code != "unknown-task":
            raise
    with clickhouse() as client:
        reopen(broker, client, task_id)
    for _ in range(_MAX_POLLS):
        try:
            # The desk remembers a refusal under the id of its command: each further attempt has one of its own.
            return desk.appeal(task_id, statement, on_behalf_of=on_behalf_of)
        except CommandRefusedError as refused:
            if refused.code != "unknown-task":
                raise
        time.sleep(_POLL_SECONDS)
    raise UnavailableError(f"the desk does not know {task_id} yet: appeal again in a moment")


def reopen(broker: Broker, client: "Client", decision_id: str) -> None:
    """Copies the routed decision to `reviews.manual`, where the desk finds it. Raises InterlockError.

    A decision that the desk knew and has forgotten is refused: its versions are numbered, and the desk would start at
    the first again.
    """
    ((resolutions,),) = client.query(_COUNT_RESOLUTIONS, parameters={"id": decision_id}).result_rows
    if resolutions:
        raise InterlockError(
            f"{decision_id} was decided so long ago that the desk has forgotten it; `interlock timeline {decision_id}` "
            "tells its story, and a new decision on the case must be made outside"
        )
    topic = catalogue.AUTO_APPROVED.name
    rows = client.query(_POSITION, parameters={"id": decision_id, "topic": topic}).result_rows
    if not rows:
        raise InterlockError(f"neither the desk nor ClickHouse knows a decision {decision_id!r}")
    partition, offset = rows[0]
    position = {"topic": topic, "partition": partition, "offset": offset, "decision_id": decision_id}
    value = stored_payload(client, position)
    assert value is not None, "its position was just found"
    send(broker, catalogue.REVIEWS_MANUAL, decision_id, value)
