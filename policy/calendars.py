"""Working time: when a calendar is open, and when so much of it has passed.

Counts in instants of UTC, between openings and closings that are local wall times. The clocks change: a wall time that
comes twice means the first, one that is left out means the moment of the jump.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from interlock.policy.model import Calendar, Day, minutes

_SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# Microseconds from an opening to the closing.
_Interval = tuple[int, int]


def due(start: int, seconds: int, calendar: Calendar | None) -> int:
    """When `seconds` of working time have passed since `start`; None: the clock on the wall, which never stops.

    The earliest such instant: work that is done as the day closes was done that day. Never falls as `start` or
    `seconds` grow.
    """
    left = seconds * _SECOND
    if calendar is None or left <= 0:
        return start + left
    days = _days(calendar)
    for day in count(days.day_of(start)):
        for opening, closing in days[day]:
            since = max(opening, start)
            if closing - since >= left:
                return since + left
            left -= max(0, closing - since)
    raise AssertionError("a calendar is open every week")


def worked(start: int, end: int, calendar: Calendar | None) -> int:
    """Whole seconds of working time from `start` to `end`; 0 where the end comes first."""
    if start >= end:
        return 0
    if calendar is None:
        return (end - start) // _SECOND
    days = _days(calendar)
    return (
        sum(
            max(0, min(closing, end) - max(opening, start))
            for day in range(days.day_of(start), days.day_of(end) + 1)
            for opening, closing in days[day]
        )
        // _SECOND
    )


def is_open(instant: int, calendar: Calendar | None) -> bool:
    """Whether it is working time; a closing is no longer."""
    if calendar is None:
        return True
    days = _days(calendar)
    return any(opening <= instant < closing for opening, closing in days[days.day_of(instant)])


class _Days(dict[int, tuple[_Interval, ...]]):
    """The intervals of every local day, by its ordinal, worked out when first asked for: one entry for each day."""

    def __init__(self, calendar: Calendar) -> None:
        self._zone = ZoneInfo(calendar.time_zone)
        self._hours = [[minutes(one) for one in calendar.hours.get(name, ())] for name in _WEEK]
        self._holidays = {day.toordinal() for day in calendar.holidays}

    def day_of(self, instant: int) -> int:
        return datetime.fromtimestamp(instant // _SECOND, self._zone).toordinal()

    def __missing__(self, day: int) -> tuple[_Interval, ...]:
        # Ordinal 1 was a Monday.
        hours = [] if day in self._holidays else self._hours[(day - 1) % 7]
        midnight = datetime.combine(date.fromordinal(day), time())
        self[day] = tuple(
            (
                _instant(midnight + timedelta(minutes=begin), self._zone),
                _instant(midnight + timedelta(minutes=end), self._zone),
            )
            for begin, end in hours
        )
        return self[day]


# A handful of queues have a calendar; each is asked for thousands of times.
@lru_cache(maxsize=64)
def _days(calendar: Calendar) -> _Days:
    return _Days(calendar)


def _instant(wall: datetime, zone: ZoneInfo) -> int:
    """The first instant at which the clocks of a zone show `wall` or more; it never falls as `wall` grows."""
    before, after = (wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    first = (wall.replace(tzinfo=UTC) - before - _EPOCH) // timedelta(seconds=1)
    if after > before:  # left out: the jump lies between what the old and the new offset make of it
        earliest = first - int((after - before).total_seconds())
        jumped = range(earliest, first + 1)
        first = jumped[bisect_left(jumped, after, key=lambda at: _offset(at, zone))]
    return first * _SECOND


def _offset(second: int, zone: ZoneInfo) -> timedelta:
    return datetime.fromtimestamp(second, zone).utcoffset() or timedelta()
