"""Cells as people write them, as values of a decision."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError

from interlock.errors import InterlockError
from interlock.schemas import json_text
from interlock.schemas.models import as_text

# Before this the router holds a time for implausible; the first numbers that can be a time are those of its seconds.
FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)

# What a time can be counted in. Between 2000 and 2100 no two of them give the same number.
_UNITS_PER_SECOND = (1, 1_000, 1_000_000, 1_000_000_000)

# The router takes no time that is further ahead, so a number that gives one is none: 2024013110 is no time in 2034.
_AHEAD = timedelta(hours=1)

# Doubles beyond it skip whole numbers, and so merge ids.
_EXACT = 2**53

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")

# Thousands in groups of three or not at all. The space may be a narrow or a non-breaking one.
_COMMA_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}([.' \u00a0\u202f]\d{3})+)(,\d+)?([eE][+-]?\d+)?")

_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)


class CellError(InterlockError):
    """A cell that is no value of its kind; `kind` says why, the same for all such cells, `value` what stands there."""

    def __init__(self, kind: str, value: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.value = value


def text(value: Any) -> Any:
    """The text of a scalar, so that numbers can be ids and versions."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, float) and abs(value) >= _EXACT:
        raise CellError("is a floating-point number, which cannot hold so many digits: write it as text", value)
    return as_text(value) if isinstance(value, bool | int | float | Decimal | date) else value


def number(value: Any, decimal: str) -> Any:
    """A number as what separates its decimals says; what is none at all is left to the model."""
    if type(value) is float:
        return value
    if isinstance(value, bool):
        raise CellError("is no number", value)
    if not isinstance(value, str):
        return value
    cell = value.strip()
    if decimal == ",":
        if _COMMA_NUMBER.fullmatch(cell) is None:
            raise CellError("is no number with a decimal comma, as --decimal , says", value)
        return re.sub("[.' \u00a0\u202f]", "", cell).replace(",", ".")
    if "," in cell and _COMMA_NUMBER.fullmatch(cell):
        raise CellError("has a comma: say --decimal , if it separates decimals, or leave it out of thousands", value)
    if _NUMBER.fullmatch(value) is None:
        raise CellError("is no number", value)
    return cell


def time(value: Any, zone: tzinfo, now: datetime) -> datetime:
    """A time; one that names no zone is in `zone`, a date begins with its midnight there."""
    if isinstance(value, bool):
        raise CellError("is no time", value)
    if isinstance(value, str) and value[4:5] == "-":  # the usual form, read faster
        with suppress(ValueError):
            return _zoned(datetime.fromisoformat(value), zone)
    if isinstance(value, int | float | Decimal) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        found = _counted(value, now)
        if found is None:
            raise CellError("is a number that is no time: write 2026-01-31 or 2026-01-31 10:00:00", value)
        return found
    if not isinstance(value, str | date):
        raise CellError("is no time", value)
    try:
        found = _TIME.validate_python(value.strip() if isinstance(value, str) else value)
    except ValidationError as error:
        raise CellError("is no time: write 2026-01-31 or 2026-01-31 10:00:00", value) from error
    return _zoned(found, zone)


def plausible(value: Any, found: datetime) -> datetime:
    """The time that was found in a cell; raises CellError for one that the router would not believe."""
    if found < FIRST_TIME:
        raise CellError("is before the year 2000: no decision of a model is so old", value)
    return found


def attribute(value: Any, decimal: str) -> str:
    """The text of an attribute, as rules read it: decimals with a point, durations in seconds."""
    if isinstance(value, str):
        if decimal == "," and _COMMA_NUMBER.fullmatch(value.strip()):
            return str(number(value, decimal))
        return value
    if isinstance(value, bytes):
        return _decoded(value)
    simple = _plain(value)
    try:
        return simple if isinstance(simple, str) else as_text(simple)
    except ValueError as error:
        raise CellError(str(error), value) from error


def structure(value: Any) -> Any:
    """What stands in a cell as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json_text.parse(value)
    except json_text.JsonError as error:
        raise CellError(str(error), value) from error


def plain(value: Any) -> Any:
    """With nothing in it that JSON cannot say; what is left is refused by the model."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    return value


def _decoded(value: bytes) -> str:
    """Some programs write texts as bytes."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise CellError("holds bytes that are no UTF-8 text: leave the column out", value[:20]) from error


def _counted(value: Any, now: datetime) -> datetime | None:
    """The time that is so many seconds, or thousandths, millionths or billionths of one, after 1970."""
    try:
        count = float(value)
    except OverflowError:
        return None
    for units in _UNITS_PER_SECOND:
        seconds = count / units
        if FIRST_TIME.timestamp() <= seconds <= (now + _AHEAD).timestamp():
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _zoned(found: datetime, zone: tzinfo) -> datetime:
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)
