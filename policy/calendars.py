"""Working time: whether a calendar is open, how much of it passes, and when a given amount has passed.

Instants are UTC; openings and closings are local wall times. Where the clocks change, a wall time that comes twice
means its first instant, and one that is left out means the moment of the jump.
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
    """When `seconds` of working time have passed since `start`; without a calendar all time is working time.

    This is the earliest such instant: work that ends as the day closes was done that day. It never falls as `start` or
    `seconds` grow.
    """
    left = seconds * _SECOND
    if calendar is None or left <= 0:
        return start + left
    days = _days(calendar)
    for day in count(days.day_of(start)):
        for opening, closing in days[day]:
            begin = max(opening, start)
            if closing - begin >= left:
                return begin + left
            left -= max(0, closing - begin)
    raise AssertionError("a calendar is open every week")


def worked(start: int, end: int, calendar: Calendar | None) -> int:
    """Whole seconds of working time from `start` to `end`; 0 if the end comes first."""
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
    """Whether it is working time; at the instant of closing it no longer is."""
    if calendar is None:
        return True
    days = _days(calendar)
    return any(opening <= instant < closing for opening, closing in days[days.day_of(instant)])


class _Days(dict[int, tuple[_Interval, ...]]):
    """The working intervals of every local day, by its ordinal, computed at first use."""

    def __init__(self, calendar: Calendar) -> None:
        self._zone = ZoneInfo(calendar.time_zone)
        self._hours = [[minutes(hours) for hours in calendar.hours.get(name, ())] for name in _WEEK]
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
    if after > before:  # left out by a jump, which lies between the instants by the old and by the new offset
        earliest = first - int((after - before).total_seconds())
        jumped = range(earliest, first + 1)
        first = jumped[bisect_left(jumped, after, key=lambda at: _offset(at, zone))]
    return first * _SECOND


def _offset(second: int, zone: ZoneInfo) -> timedelta:
    return datetime.fromtimestamp(second, zone).utcoffset() or timedelta()
