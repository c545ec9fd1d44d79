"""The headers of a dead letter, as KIP-1034 names them: what was wrong with the message, and where it came from."""

from collections.abc import Iterable
from typing import Any, Protocol

from interlock.schemas.headers import headers_of

PREFIX = "__streams.errors."


class ConsumedMessage(Protocol):
    """What is read here of a Kafka message."""

    # Any, because the types of Kafka clients say that these may be missing, which holds for no consumed record.
    def topic(self) -> Any: ...
    def partition(self) -> Any: ...
    def offset(self) -> Any: ...
    def headers(self) -> Any: ...


def dead_letter_headers(
    source: ConsumedMessage, reason: str, message: str, step: str
) -> list[tuple[str, bytes | None]]:
    """The headers of the dead letter made of `source`; the rest as in `with_error_headers`."""
    return with_error_headers(
        headers_of(source),
        reason=reason,
        message=message,
        topic=source.topic(),
        partition=source.partition(),
        offset=source.offset(),
        step=step,
    )


def with_error_headers(
    original: Iterable[tuple[str, bytes | None]] | None,
    *,
    reason: str,
    message: str,
    topic: str,
    partition: int,
    offset: int,
    step: str = "router",
) -> list[tuple[str, bytes | None]]:
    """The original headers followed by the six of KIP-1034. `reason` is a stable code for programs, `message`
    a sentence for a person; there is no exception behind a bad message, so the stack trace names the step."""
    added = {
        "exception": reason,
        "stacktrace": f"interlock {step}",
        "message": message,
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
    }
    return [*(original or ()), *((PREFIX + name, text.encode()) for name, text in added.items())]


def read_error_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> dict[str, str]:
    """What `with_error_headers` added, by short name. The last value counts: a dead letter may have been one before."""
    return {
        name.removeprefix(PREFIX): (value or b"").decode(errors="backslashreplace")
        for name, value in headers or ()
        if name.startswith(PREFIX)
    }


def without_error_headers(
    headers: Iterable[tuple[str, bytes | None]] | None,
) -> list[tuple[str, bytes | None]]:
    """The headers as the producer sent them: what a replay sends again."""
    return [(name, value) for name, value in headers or () if not name.startswith(PREFIX)]
