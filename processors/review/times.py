"""Moments and spans, as records hold them and as people read them."""

import re
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60, 3600, 86_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def seconds(text: str) -> int:
    """A length of time such as 30m, 4h or 2d in seconds; raises ValueError."""
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no length of time: write 30m, 4h or 2d")
    return int(match[1]) * {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY}[match[2]]


def span(seconds: float) -> str:
    """A length of time in its largest two units, for example "2 h 5 min"; less than a minute in seconds."""
    whole = int(abs(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return _two(whole // HOUR, "h", whole % HOUR // MINUTE, "min")
    return _two(whole // DAY, "d", whole % DAY // HOUR, "h")


def due(seconds: float) -> str:
    """How a deadline `seconds` from now reads."""
    return f"in {span(seconds)}" if seconds >= 0 else f"{span(seconds)} late"


def _two(great: int, unit: str, small: int, smaller_unit: str) -> str:
    return f"{great} {unit} {small} {smaller_unit}" if small else f"{great} {unit}"
