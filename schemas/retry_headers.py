"""The headers of dead letters of executors that are sent again, on `actions.retry`: which group reads the record, and
where it stood before."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_PREFIX = "__interlock.retry."

Order = Literal["retry", "discard"]

_ORDERS: dict[bytes, Order] = {b"retry": "retry", b"discard": "discard"}

# Longer numbers than Kafka has, which int() would take long for.
_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Retry:
    """`order`: to be carried out, or not to be waited for any more."""

    group: str
    topic: str
    partition: int
    offset: int
    order: Order = "retry"


def with_retry_headers(
    original: Iterable[tuple[str, bytes | None]], retry: Retry
) -> list[tuple[str, str | bytes | None]]:
    """The original headers followed by those of `retry`."""
    added = {
        "group": retry.group,
        "topic": retry.topic,
        "partition": str(retry.partition),
        "offset": str(retry.offset),
        "order": retry.order,
    }
    return [*original, *((_PREFIX + name, text.encode()) for name, text in added.items())]


def read_retry_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> Retry | None:
    """None if they do not say where the record belongs."""
    found = {name.removeprefix(_PREFIX): value or b"" for name, value in headers or () if name.startswith(_PREFIX)}
    order = _ORDERS.get(found.get("order", b""))
    place = [found.get(name, b"") for name in ("partition", "offset")]
    if order is None or not all(number.isdigit() and len(number) <= _MAX_DIGITS for number in place):
        return None
    group, topic = (found.get(name, b"").decode(errors="backslashreplace") for name in ("group", "topic"))
    return Retry(group, topic, int(place[0]), int(place[1]), order)


def without_retry_headers(headers: Iterable[tuple[str, bytes | None]] | None) -> list[tuple[str, bytes | None]]:
    """The headers as they were before `with_retry_headers`."""
    return [(name, value) for name, value in headers or () if not name.startswith(_PREFIX)]
