"""Values as texts and small markup: instants, spans of time, shares, numbers. Filters of the templates.

What is not known (None, NaN, an infinity) is a dash that is read aloud as "not known".
"""

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

from interlock.schemas import times

UNKNOWN = Markup('<span class="unknown"><span aria-hidden="true">–</span><span class="unseen">not known</span></span>')

# Beyond it digits no longer help a reader, and Python refuses to print whole numbers of more than 4,300 digits.
_LONGEST_NUMBER = 1e21


# What `visible` escapes and HTML can name by its number: it reads the numbers of C1 as letters of Windows-1252.
_NAMEABLE = re.compile("[\x01-\x08\x0b-\x1f\x7f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def exact(text: str) -> Markup:
    """The text for the value of a form field, which comes back as it is: hidden characters stay, but for NUL and C1."""
    return Markup(_NAMEABLE.sub(lambda found: f"&#{ord(found[0])};", escape(text)))


def instant(value: int | datetime | str) -> datetime:
    """UTC; whole numbers are microseconds since the epoch, ClickHouse's times without a zone are UTC, and texts are
    times as the API writes them."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, int):
        return times.moment(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def zone_of(name: str) -> ZoneInfo | None:
    """The zone of a name from a cookie; None if there is no such zone."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def iso(value: int | datetime | str) -> str:
    """For attributes: 2026-03-01T12:03:00.000Z; milliseconds, because that is what JavaScript reads."""
    return f"{instant(value).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def moment(value: int | datetime | str | None, zone: str = "") -> Markup:
    """A <time> in the zone, UTC if it is empty or unknown; `times.js` shows it in the reader's zone."""
    if value is None:
        return UNKNOWN
    at = instant(value)
    # Outside of the calendar in other zones; no real instant is.
    at = min(max(at, times.FIRST + timedelta(days=2)), times.LAST - timedelta(days=2))
    chosen = zone_of(zone)
    shown = at.astimezone(chosen) if chosen else at
    utc = f"{_minutes(at)}:{at.second:02d} UTC"
    text = f"{_minutes(shown)}" if chosen else f"{_minutes(at)} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(at), utc, text)


def _minutes(at: datetime) -> str:
    """strftime drops leading zeros of the year."""
    return at.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes")


def span(value: float | timedelta | None) -> str | Markup:
    """Seconds as the two largest units: 3 d 4 h, 2 h 05 min, 4 min 30 s, 12 s."""
    if value is None:
        return UNKNOWN
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not math.isfinite(seconds):
        return UNKNOWN
    sign = "−" if seconds <= -1 else ""
    whole = int(abs(seconds))
    if whole >= 86_400:
        text = f"{whole // 86_400:,} d {whole % 86_400 // 3_600} h"
    elif whole >= 3_600:
        text = f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"
    elif whole >= 60:
        text = f"{whole // 60} min {whole % 60:02d} s"
    else:
        text = f"{whole} s"
    return sign + text


def percent(value: float | None, digits: int = 1) -> str | Markup:
    """A share of 1: 0.123 is 12.3 %."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value * 100:,.{digits}f} %".replace("-", "−")


def interval(low: float | None, high: float | None) -> str:
    """A 95 % interval of a share, for the line below it; empty where it is not known."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"95 %: {percent(low)} to {percent(high)}"


def number(value: float | Decimal | None, digits: int | None = None) -> str | Markup:
    """With separators of thousands; without `digits` a whole number as it is, another with up to four digits."""
    if isinstance(value, Decimal):
        return number(int(value) if value.is_finite() and value == int(value) else float(value), digits)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return UNKNOWN
    if abs(value) >= _LONGEST_NUMBER:
        text = f"{Decimal(value):.3e}"  # a float has no room for every whole number
    elif digits is not None:
        text = f"{value:,.{digits}f}"
    elif value == int(value):
        text = f"{int(value):,}"
    else:
        # Small numbers keep their meaning: 0.00001234 is 1.234e-05, and not 0.0000.
        text = f"{value:,.4g}" if abs(value) < 1 else f"{value:,.4f}".rstrip("0").rstrip(".")
    return text.replace("-", "−") if text.startswith("-") else text


def seconds_from(end: int | datetime, start: int | datetime) -> float:
    """Seconds from one instant to a later one; negative if it is earlier."""
    return (instant(end) - instant(start)).total_seconds()


def segment(value: str) -> str:
    """An id as one segment of a path: Jinja's `urlencode` would leave its slashes."""
    return quote(value, safe="", errors="replace")
