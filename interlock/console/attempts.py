"""Reading for pages: a value, or why it cannot be had, so that a page shows the rest."""

from collections.abc import Callable
from typing import TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException

from interlock.api.problems import problem_of
from interlock.errors import InterlockError

_T = TypeVar("_T")

# From this status on it is not the reader who can change something.
_SERVER = 500


def attempted(read: Callable[[], _T]) -> tuple[_T | None, str]:
    """What `read` gives, or None and a sentence that says why. Raises Problem where the reader asked wrongly."""
    try:
        return read(), ""
    except (InterlockError, KafkaException, ClickHouseError, OSError) as error:
        if isinstance(error, OSError):
            return None, str(error)
        problem = problem_of(error)
        if problem.status < _SERVER:
            raise problem from error
        return None, problem.detail
