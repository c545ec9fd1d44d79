"""Reading headers. Kafka takes any bytes as the name of a header, confluent_kafka only UTF-8: for other names
`Message.headers()` raises SystemError, and when called again gives a list whose names crash the interpreter when looked
at. Everything that reads headers reads them here.
"""

from collections.abc import Sequence
from operator import methodcaller
from typing import Any, Protocol

Headers = list[tuple[str, bytes | None]]

# Of a decision: who waits for it, under the name that this caller's `expire` command gives as its actor. The desk lets
# nobody else end the waiting.
CALLER_HEADER = "interlock-caller"

# Of a decision: for how many seconds that caller waits, such as `30` or `2.5`, from when the broker has the routed
# decision. Then the desk ends the waiting by itself, should the caller not be able to.
CALLER_SECONDS_HEADER = "interlock-caller-seconds"

CALLER_HEADERS = (CALLER_HEADER, CALLER_SECONDS_HEADER)

# Three years: nobody waits for longer, and every client can write the number without an exponent.
MAX_CALLER_SECONDS = 99_999_999

# The stable code of a message whose headers cannot be read.
INVALID_HEADERS = "invalid-headers"

# librdkafka's error, and the plain one that a later version may raise.
_UNREADABLE = (SystemError, UnicodeDecodeError)

_headers = methodcaller("headers")


class HasHeaders(Protocol):
    """A Kafka message."""

    # Any, because the types of Kafka clients say less than they do.
    def headers(self) -> Any: ...


def caller_headers(caller: str, seconds: float | None) -> list[tuple[str, str | bytes | None]]:
    """The headers of a decision whose `caller` waits for so many seconds; None: it does not say for how long."""
    told: list[tuple[str, str | bytes | None]] = [(CALLER_HEADER, caller.encode())]
    if seconds is not None and seconds <= MAX_CALLER_SECONDS:
        told.append((CALLER_SECONDS_HEADER, f"{max(0.0, seconds):.3f}".encode()))
    return told


def read_headers(messages: Sequence[HasHeaders]) -> tuple[list[Headers | None], list[int]]:
    """The headers of every message, and the indexes of those whose headers cannot be read, which have None.

    A message whose headers could not be read has none from now on.
    """
    found: list[Headers | None] = []
    unreadable: list[int] = []
    rest = iter(messages)
    # The method of the class, which all messages of a batch share: a methodcaller takes five times as long.
    headers = type(messages[0]).headers if messages else _headers
    while True:
        try:
            # In C for all messages at once; what was read before an error stays in the list.
            found.extend(map(headers, rest))
        except _UNREADABLE:
            unreadable.append(len(found))
            _remove_headers(messages[len(found)])
            found.append(None)
        else:
            return found, unreadable


def headers_of(message: HasHeaders) -> Headers:
    """The headers of one message; none if they cannot be read."""
    ((headers,), _) = read_headers((message,))
    return headers or []


def _remove_headers(message: HasHeaders) -> None:
    remove = getattr(message, "set_headers", None)
    if remove is not None:
        remove([])
