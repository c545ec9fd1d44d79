"""When a reviewer works: by the local clock of the person, less the time off."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

_SECOND = 1_000_000

# A week has every edge of the hours once. Two weeks, because a night of clock change may skip the only shift.
_HORIZON_DAYS = 15

# The end of a time off that never ends, as people write it: the year 9999. Beyond 9000 nothing is computed.
_NEVER = 221_845_392_000 * _SECOND


def is_working(reviewer: Mapping[str, Any], now: int) -> bool:
    """Whether a decoded record of `Reviewer.avsc` whose times are integers says that the person works at `now`.

    An unknown time zone counts as UTC: a slip in one record must not stop the desk.
    """
    if any(off["start"] <= now < off["end"] for off in reviewer["time_off"]):
        return False
    hours = reviewer["hours"]
    if not hours:
        return True
    wall = datetime.fromtimestamp(now // _SECOND, _zone(reviewer["time_zone"]))
    day, minute = wall.weekday(), wall.hour * 60 + wall.minute
    return any(shift["day"] == day and shift["start"] <= minute < shift["end"] for shift in hours)


def next_change(reviewer: Mapping[str, Any], now: int) -> int | None:
    """The first instant after `now` at which `is_working` answers otherwise; None if it never does."""
    answer = is_working(reviewer, now)
    return next((at for at in _edges(reviewer, now) if is_working(reviewer, at) != answer), None)


def _edges(reviewer: Mapping[str, Any], now: int) -> list[int]:
    """Instants after `now` at which the answer may change, in order; enough to find the first at which it does."""
    edges = {edge for off in reviewer["time_off"] for edge in (off["start"], off["end"]) if now < edge < _NEVER}
    if reviewer["hours"]:
        # A person who is away works again within the days after the end, or until the next time off.
        back = {off["end"] for off in reviewer["time_off"] if now < off["end"] < _NEVER}
        for start in (now, *back):
            edges.update(_shift_edges(reviewer, start))
    return sorted(edge for edge in edges if edge > now)


def _shift_edges(reviewer: Mapping[str, Any], start: int) -> Iterator[int]:
    zone = _zone(reviewer["time_zone"])
    today = datetime.fromtimestamp(start // _SECOND, zone).replace(hour=0, minute=0, second=0, tzinfo=None)
    for number in range(_HORIZON_DAYS):
        midnight = today + timedelta(days=number)
        for shift in reviewer["hours"]:
            if shift["day"] == midnight.weekday():
                for minutes in (shift["start"], shift["end"]):
                    wall = midnight + timedelta(minutes=min(minutes, 24 * 60))
                    # Where the clocks go back, it comes twice.
                    yield from (_instant(wall, zone, fold) for fold in (0, 1))
        changed = _clock_change(_instant(midnight, zone), _instant(midnight + timedelta(days=1), zone), zone)
        if changed is not None:
            yield changed


def _clock_change(start: int, end: int, zone: ZoneInfo) -> int | None:
    """The instant between two at which the clocks of a zone change; None if they show the same offset at both."""
    before = _offset(start, zone)
    if _offset(end, zone) == before:
        return None
    while end - start > _SECOND:
        middle = (start + end) // 2 // _SECOND * _SECOND
        start, end = (middle, end) if _offset(middle, zone) == before else (start, middle)
    return end


def _instant(wall: datetime, zone: ZoneInfo, fold: int = 0) -> int:
    return int(wall.replace(tzinfo=zone, fold=fold).timestamp()) * _SECOND


def _offset(instant: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(instant // _SECOND, zone).utcoffset()


@lru_cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return ZoneInfo("UTC")
