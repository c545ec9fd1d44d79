"""What a desk that takes over must know of a decided task, read from the first fields of its record alone.

To decode a whole record takes ten times as long, and there are millions.
"""

import json
from functools import cache
from typing import NamedTuple

from interlock.processors.desk.command import MAX_NAME_LENGTH
from interlock.processors.desk.task import END_OF_TIME
from interlock.schemas import avro_schemas, wire

# The first fields of a task, in their order. Types: text, a time or null, a time.
_FIELDS = {
    "task_id": "text",
    "decision_id": "text",
    "kind": "text",
    "state": "text",
    "final_at": "time or null",
    "closed_at": "time or null",
    "event": "text",
    "actor": "text",
    "at": "time",
}

_DONE = b"done"


class Decided(NamedTuple):
    """A decided task: when it was closed, when its resolution becomes final (None: it is), when it changed last."""

    task_id: bytes
    closed_at: int
    final_at: int | None
    at: int

    def is_plausible(self, key: bytes) -> bool:
        """Whether it can be one of the desk's: under its own key, which is a text, with times that a calendar holds."""
        times = (self.closed_at, self.final_at or 0, self.at)
        if self.task_id != key or not all(0 <= instant < END_OF_TIME for instant in times):
            return False
        try:
            return len(key.decode()) <= MAX_NAME_LENGTH
        except UnicodeDecodeError:
            return False


def read_decided(value: bytes) -> Decided | None:
    """What a record says of a decided task; None if the task is open, or the record must be decoded as a whole.

    The rest of the record may be damaged.
    """
    if not _begins_so(value[: wire.HEADER_LENGTH]):
        return None
    try:
        task_id, place = _text(value, wire.HEADER_LENGTH)
        _, place = _text(value, place)
        _, place = _text(value, place)
        state, place = _text(value, place)
        if state != _DONE:
            return None
        final_at, place = _optional(value, place)
        closed_at, place = _optional(value, place)
        _, place = _text(value, place)
        _, place = _text(value, place)
        at, place = _long(value, place)
    except (IndexError, ValueError):
        return None
    return None if closed_at is None else Decided(task_id, closed_at, final_at, at)


@cache
def _begins_so(header: bytes) -> bool:
    """Whether records under the schema that a header names begin with these fields."""
    for number, version in avro_schemas.lock().items():
        if version.name == "Task" and wire.header_of(number) == header:
            fields = json.loads(version.text)["fields"][: len(_FIELDS)]
            return [field["name"] for field in fields] == list(_FIELDS)
    return False


def _text(value: bytes, place: int) -> tuple[bytes, int]:
    length, place = _long(value, place)
    if not 0 <= length <= len(value) - place:
        raise ValueError("a text ends behind the record")
    return value[place : place + length], place + length


def _optional(value: bytes, place: int) -> tuple[int | None, int]:
    branch, place = _long(value, place)
    return _long(value, place) if branch else (None, place)


def _long(value: bytes, place: int) -> tuple[int, int]:
    byte = value[place]
    place += 1
    number, shift = byte & 0x7F, 7
    while byte & 0x80:
        byte = value[place]
        place += 1
        number |= (byte & 0x7F) << shift
        shift += 7
    return (number >> 1) ^ -(number & 1), place
