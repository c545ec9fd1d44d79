"""A role that waits for what it needs, instead of ending because it was started first."""

import threading
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaException

from interlock.errors import KafkaAccessError, UnavailableError
from interlock.streams.backoff import Backoff
from interlock.streams.kafka_trouble import RIGHTS

T = TypeVar("T")

# Soon enough for a person who has just repaired something; seldom enough not to burden what is coming up.
PAUSE_SECONDS = 2.0

# What a role waits for, and what waiting mends.
UNAVAILABLE = (KafkaException, UnavailableError)


class Waiting:
    """Attempts at something that Kafka or ClickHouse do not let happen yet."""

    def __init__(self, what: str) -> None:
        """`what`: as in Backoff."""
        self._backoff = Backoff(
            what, least_seconds=PAUSE_SECONDS, first_seconds=PAUSE_SECONDS, longest_seconds=PAUSE_SECONDS
        )

    def failed(self, error: Exception, stop: threading.Event) -> None:
        """Logs an error of UNAVAILABLE, unless it is the same again, and waits for the next attempt or for `stop`.
        Raises KafkaAccessError for a right that is missing."""
        if isinstance(error, KafkaException) and error.args[0].code() in RIGHTS:
            raise KafkaAccessError(text_of(error)) from error
        self._backoff.failed(text_of(error), f"trying again every {PAUSE_SECONDS:g} s")
        stop.wait(self._backoff.pause())

    def succeeded(self) -> None:
        """Logs the end of the waiting."""
        self._backoff.succeeded()


def wait_until_available(make: Callable[[], T], stop: threading.Event) -> T | None:
    """What `make` returns, as soon as Kafka and ClickHouse let it; None if `stop` is set before.

    Logs once what is missing, and once that it is there. Raises errors that waiting does not mend.
    """
    waiting = Waiting("what was missing")
    while not stop.is_set():
        try:
            made = make()
        except UNAVAILABLE as error:
            waiting.failed(error, stop)
        else:
            waiting.succeeded()
            return made
    return None


def text_of(error: Exception) -> str:
    """The sentence for a person in one of UNAVAILABLE."""
    return str(error.args[0].str()) if isinstance(error, KafkaException) else str(error)
