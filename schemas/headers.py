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

# The stable code of a message whose headers cannot be read.
INVALID_HEADERS = "invalid-headers"

# librdkafka's error, and the plain one that a later version may raise.
_UNREADABLE = (SystemError, UnicodeDecodeError)

_headers = methodcaller("headers")


class HasHeaders(Protocol):
    """A Kafka message."""

    # Any, because the types of Kafka clients say less than they do.
    def headers(self) -> Any: ...


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
