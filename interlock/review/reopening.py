"""Reopens a decision, also one that the desk does not have: one that took effect unseen, or that it has forgotten."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError, UnavailableError
from interlock.policies.publishing import now, send
from interlock.review.desk_client import DeskClient
from interlock.review.desk_connection import CommandRefusedError, Reply
from interlock.review.last_task import latest_task
from interlock.review.stored_payload import as_hashed, stored_payload
from interlock.schemas import catalogue, wire
from interlock.schemas.copy_headers import ISSUED_HEADER, TASK_HEADER, signed_part
from interlock.streams.ports import Broker, Headers

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from interlock.encryption.keys import KeyStore

# Before each further attempt. The desk makes a task of what it is given within tenths of a second; ClickHouse hears of
# what the desk has just forgotten within seconds.
_PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 3.2)

_POSITION = """
SELECT kafka_partition, kafka_offset FROM routed_decisions
WHERE decision_id = {id:String} AND kafka_topic = {topic:String}
ORDER BY kafka_timestamp DESC LIMIT 1
"""


def appeal(
    desk: DeskClient,
    broker: Broker,
    clickhouse: "Callable[[], AbstractContextManager[Client]]",
    task_id: str,
    statement: str,
    command_id: str | None = None,
    *,
    on_behalf_of: str = "",
    keys: "KeyStore | None" = None,
) -> Reply:
    """Opens a decision again; one that the desk does not have is put on file first. `clickhouse`: connects for
    that; `keys`: open what is sealed there.

    Raises CommandRefusedError and InterlockError, and what queries raise.
    """
    try:
        return desk.appeal(task_id, statement, command_id, on_behalf_of=on_behalf_of)
    except CommandRefusedError as refused:
        if refused.code != "unknown-task":
            raise
    with clickhouse() as client:
        is_sent = False
        for number, pause in enumerate(_PAUSES_SECONDS, 1):
            is_sent = is_sent or reopen(broker, client, task_id, desk.signature, keys)
            time.sleep(pause)
            # The desk remembers a refusal under the id of its command: each further attempt has one of its own, the
            # same when the caller repeats the command.
            attempt_id = command_id and f"{command_id}/{number}"
            try:
                return desk.appeal(task_id, statement, attempt_id, on_behalf_of=on_behalf_of)
            except CommandRefusedError as refused:
                if refused.code != "unknown-task":
                    raise
    if is_sent:
        raise UnavailableError(f"the desk does not know {task_id} yet: appeal again in a moment")
    raise UnavailableError(
        f"the desk does not know {task_id}, and ClickHouse has not heard yet that it has forgotten it: appeal again in "
        "a minute. If an alert says that the desk left out its record, send the case as a new decision"
    )


def reopen(
    broker: Broker,
    client: "Client",
    decision_id: str,
    signature: Callable[[bytes], Headers],
    keys: "KeyStore | None" = None,
) -> bool:
    """Copies the routed decision to `reviews.manual`, where the desk finds it. Raises InterlockError.

    With what the desk has decided and forgotten goes the last record of its task: versions count on, and whoever judged
    it does not judge it again. Returns False, and copies nothing, if the desk has it as far as ClickHouse knows.
    `signature`: the headers that say who gives the desk some bytes.
    """
    latest = latest_task(client, decision_id, keys)
    headers: Headers = []
    if latest is None:
        value = stored_payload(client, _place_of_unseen(client, decision_id), keys)
    elif not latest.forgotten:
        return False
    else:
        value = stored_payload(client, latest.record, keys)
        if value is not None:
            value = as_hashed(value, latest.record["payload_hash"])
            task, issued_at = wire.encode("Task", latest.record), str(now()).encode()
            headers = [(TASK_HEADER, task), (ISSUED_HEADER, issued_at)]
            headers += signature(signed_part(task, issued_at, value))
    if value is None:
        raise InterlockError(f"ClickHouse does not have {decision_id} as it was routed: nobody could judge it again")
    send(broker, catalogue.REVIEWS_MANUAL, decision_id, value, headers)
    return True


def _place_of_unseen(client: "Client", decision_id: str) -> dict[str, Any]:
    topic = catalogue.AUTO_APPROVED.name
    rows = client.query(_POSITION, parameters={"id": decision_id, "topic": topic}).result_rows
    if not rows:
        raise InterlockError(f"neither the desk nor ClickHouse knows a decision {decision_id!r}")
    partition, offset = rows[0]
    return {"topic": topic, "partition": partition, "offset": offset, "decision_id": decision_id}
