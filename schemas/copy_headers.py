"""Headers that say that a record stands in a review topic although its decision was routed, and counted, before.

Tools of Interlock write them. The router passes them on to nobody: a producer would take a decision out of the counts,
or say of it that people have decided it.
"""

from collections.abc import Iterable
from itertools import chain
from operator import itemgetter
from typing import Final

from interlock.schemas.headers import Headers

TASK_HEADER: Final = "interlock-task"
"""Of a copy in `reviews.manual`: the last record of its task, which the desk has forgotten."""

ISSUED_HEADER: Final = "interlock-issued-at"
"""Beside it: when the copy was made, in microseconds since the epoch."""

_REPLAY_HEADER: Final = "__interlock.replay"

_NAMES = frozenset({TASK_HEADER, _REPLAY_HEADER})


def with_replay_header(original: Iterable[tuple[str, bytes | None]], letter: str) -> Headers:
    """The original headers, and which dead letter is sent again to the topic it came from: PARTITION:OFFSET."""
    return [*original, (_REPLAY_HEADER, letter.encode())]


def is_copy(headers: Headers) -> bool:
    """Whether one of them says so."""
    return any(name in _NAMES for name, _ in headers)


def without_copy_headers(headers: list[Headers | None]) -> list[Headers | None]:
    """The headers of many messages without these."""
    # In C for all messages at once, most of which have none of them: in Python it takes five times as long.
    if _NAMES.isdisjoint(map(itemgetter(0), chain.from_iterable(filter(None, headers)))):
        return headers
    return [found and [(name, value) for name, value in found if name not in _NAMES] for found in headers]


def signed_part(task: bytes, issued_at: bytes, routed: bytes) -> bytes:
    """What the signature of a copy with a task is about: both headers and the value."""
    # The lengths keep the end of one from being the beginning of the next.
    return b"".join(len(part).to_bytes(8) + part for part in (task, issued_at, routed))
