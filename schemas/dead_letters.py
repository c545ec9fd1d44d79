"""Dead letters: a message that cannot be used as it came, or a reference to it where it is too large to be copied."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

from interlock.schemas.catalogue import MAX_ROUTED_BYTES
from interlock.schemas.error_headers import with_error_headers
from interlock.schemas.headers import Headers, headers_of

OVERSIZED = "oversized"

# Another content, or another outcome, came under an id that is known: the first one stands.
CONTRADICTION = "contradiction"

# Room for the headers that say what was wrong, in what the router may write.
MAX_COPIED_BYTES = MAX_ROUTED_BYTES - 64 * 1024

# Of the key, and of all headers together, in a dead letter without the message: ids and traces, not payloads.
_MAX_PART_BYTES = 16 * 1024

# Of the sentence for a person: what is longer repeats the message.
_MAX_TEXT_LENGTH = 4_096

# What a header takes in Kafka besides its name and value: two lengths.
_HEADER_OVERHEAD = 8


class ConsumedMessage(Protocol):
    """What is read here of a Kafka message."""

    # Any, because the types of Kafka clients say that these may be missing, which holds for no consumed record.
    def topic(self) -> Any: ...
    def partition(self) -> Any: ...
    def offset(self) -> Any: ...
    def key(self) -> Any: ...
    def value(self) -> Any: ...
    def headers(self) -> Any: ...


class DeadLetter(NamedTuple):
    """A record for `dead-letter`."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class Source(NamedTuple):
    """The message that a dead letter is made of, and where it was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(cls, message: ConsumedMessage) -> "Source":
        return cls(
            message.topic(),
            message.partition(),
            message.offset(),
            message.key(),
            message.value(),
            headers_of(message),
        )

    @property
    def size(self) -> int:
        """Bytes of key, value and headers, uncompressed."""
        return len(self.key or b"") + len(self.value or b"") + _size(self.headers)


def dead_letter(source: Source, reason: str, message: str, step: str) -> DeadLetter:
    """The message unchanged, with the reason; by reference where it is too large.

    `reason` is a stable code, `message` a sentence, `step` what gave up.
    """
    size = source.size
    if size > MAX_COPIED_BYTES:
        why = "" if reason == OVERSIZED else f"; besides, {reason}: {message}"
        return by_reference(source, f"its {size} bytes are too many to be copied{why}", step)
    return DeadLetter(source.key, source.value, _with_errors(source, source.headers, reason, message, step))


def by_reference(source: Source, message: str, step: str) -> DeadLetter:
    """A dead letter without the value, and without a key or headers that are large themselves: the message stays where
    it was read for as long as its topic keeps it."""
    key = source.key if len(source.key or b"") <= _MAX_PART_BYTES else None
    headers: Headers = []
    room = _MAX_PART_BYTES
    for header in source.headers:
        size = _size([header])
        if size <= room:
            headers.append(header)
            room -= size
    where = f"read it from {source.topic}[{source.partition}] at offset {source.offset}"
    return DeadLetter(key, None, _with_errors(source, headers, OVERSIZED, f"{message}: {where}", step))


def is_by_reference(reason: str, value: bytes | None) -> bool:
    """Whether a dead letter with this reason and value holds no copy of its message."""
    return reason == OVERSIZED and value is None


def _with_errors(source: Source, headers: Headers, reason: str, message: str, step: str) -> Headers:
    return with_error_headers(
        headers,
        reason=reason,
        message=message[:_MAX_TEXT_LENGTH],
        topic=source.topic,
        partition=source.partition,
        offset=source.offset,
        step=step,
    )


def _size(headers: Iterable[tuple[str, bytes | None]]) -> int:
    return sum(len(name.encode()) + len(value or b"") + _HEADER_OVERHEAD for name, value in headers)
