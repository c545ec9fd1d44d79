"""An appeal, also against a decision that took effect without a task."""

import time

from clickhouse_connect.driver.exceptions import ClickHouseError

from interlock.api.backend import Backend
from interlock.errors import UnavailableError
from interlock.review.desk_connection import CommandRefusedError, Reply
from interlock.review.reopening import reopen

# The desk makes a task of what it is given within tenths of a second.
_POLL_SECONDS = 0.2
_MAX_POLLS = 50


def appeal(backend: Backend, person: str, task_id: str, statement: str, command_id: str | None) -> Reply:
    """Raises CommandRefusedError, InterlockError and KafkaException."""
    desk = backend.desk_of(person)
    try:
        return desk.appeal(task_id, statement, command_id)
    except CommandRefusedError as refused:
        if refused.code != "unknown-task":
            raise
    with backend.clickhouse(analyst=False) as client:
        try:
            reopen(backend.broker, client, task_id)  # type: ignore[arg-type]
        except ClickHouseError as error:
            raise UnavailableError(f"ClickHouse does not answer: {str(error).splitlines()[0]}") from error
    for _ in range(_MAX_POLLS):
        try:
            # A refused command is remembered under its id, so each further attempt has one of its own.
            return desk.appeal(task_id, statement)
        except CommandRefusedError as refused:
            if refused.code != "unknown-task":
                raise
        time.sleep(_POLL_SECONDS)
    raise UnavailableError(f"the desk does not know {task_id} yet: appeal again in a moment")
