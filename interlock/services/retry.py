"""A role that waits for what it needs, instead of ending because it was started first."""

import threading
from collections.abc import Callable
from typing import TypeVar

import structlog
from confluent_kafka import KafkaException

from interlock.errors import UnavailableError

log = structlog.get_logger()

T = TypeVar("T")

# Soon enough for a person who has just repaired something; seldom enough not to burden what is coming up.
PAUSE_SECONDS = 2.0


def wait_until_available(make: Callable[[], T], stop: threading.Event) -> T | None:
    """What `make` returns, as soon as Kafka and ClickHouse let it; None if `stop` is set before.

    Says once what is missing, and once that it is there. Raises what waiting does not mend.
    """
    said = ""
    while not stop.is_set():
        try:
            made = make()
        except (KafkaException, UnavailableError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            if reason != said:
                log.warning("waiting", reason=reason, trying_again_every=f"{PAUSE_SECONDS:g} s")
            said = reason
            stop.wait(PAUSE_SECONDS)
        else:
            if said:
                log.info("what was missing is there")
            return made
    return None
