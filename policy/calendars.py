"""Working time: whether a calendar is open, how much of it passes, and when a given amount has passed.

Instants are UTC; openings and closings are local wall times. Where the clocks change, a wall time that comes twice
means its first instant, and one that is left out means the moment of the jump.
"""

from bisect import bisect_left
from collections import Counter
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from interlock.policy.working_hours import Calendar, Day, minutes

_SECOND = 1_000_000
_MINUTE = 60 * _SECOND
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 of wall times, whose offset is taken away first
_WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS_A_WEEK = len(_WEEK)

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
    first = day = days.day_of(start)
    while True:
        # Of the week of the start only a part counts.
        if day > first and _monday(day) == day and (work := days.work_of_week(day)) < left:
            left -= work
            day += _DAYS_A_WEEK
            continue
        for opening, closing in days[day]:
            begin = max(opening, start)
            if closing - begin >= left:
                return begin + left
            left -= max(0, closing - begin)
        day += 1


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
        work = [sum(end - begin for begin, end in hours) * _MINUTE for hours in self._hours]
        self._usual_week = sum(work)
        self._holiday_work: Counter[int] = Counter()
        for day in self._holidays:
            self._holiday_work[_monday(day)] += work[day - _monday(day)]
        self._weeks: dict[int, int] = {}
        self._offsets: dict[int, set[timedelta | None]] = {}
        # Where the clocks change at midnight the two differ.
        self._midnights = [time(tzinfo=self._zone, fold=fold) for fold in (0, 1)]

    def work_of_week(self, monday: int) -> int:
        """The work of the week that begins on this Monday, in microseconds."""
        if monday not in self._weeks:
            usual = self._usual_week - self._holiday_work[monday]
            self._weeks[monday] = usual if self._clocks_stay(monday) else self._work_of_days(monday)
        return self._weeks[monday]

    def _clocks_stay(self, monday: int) -> bool:
        """Whether the clocks do not change in a week: no time zone has two changes in one week that cancel out."""
        return self._offsets_of(monday) == self._offsets_of(monday + _DAYS_A_WEEK)

    def _offsets_of(self, day: int) -> set[timedelta | None]:
        """The offsets of the clocks at the midnight with which a day begins."""
        # Each is the end of one week and the begin of the next.
        if day not in self._offsets:
            begin = date.fromordinal(day)
            self._offsets[day] = {datetime.combine(begin, midnight).utcoffset() for midnight in self._midnights}
        return self._offsets[day]

    def _work_of_days(self, monday: int) -> int:
        return sum(closing - opening for day in range(monday, monday + _DAYS_A_WEEK) for opening, closing in self[day])

    def day_of(self, instant: int) -> int:
        return datetime.fromtimestamp(instant // _SECOND, self._zone).toordinal()

    def __missing__(self, day: int) -> tuple[_Interval, ...]:
        hours = [] if day in self._holidays else self._hours[day - _monday(day)]
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


def _monday(day: int) -> int:
    """The Monday of the week of a day. Ordinal 1 was one."""
    return day - (day - 1) % _DAYS_A_WEEK


def _instant(wall: datetime, zone: ZoneInfo) -> int:
    """The first instant at which the clocks of a zone show `wall` or more; it never falls as `wall` grows."""
    local = datetime.combine(wall, wall.time(), zone)
    before, after = (moment.utcoffset() or timedelta() for moment in (local, local.replace(fold=1)))
    first = (wall - before - _EPOCH) // timedelta(seconds=1)
    if after > before:  # left out by a jump, which lies between the instants by the old and by the new offset
        earliest = first - int((after - before).total_seconds())
        jumped = range(earliest, first + 1)
        first = jumped[bisect_left(jumped, after, key=lambda at: _offset(at, zone))]
    return first * _SECOND


def _offset(second: int, zone: ZoneInfo) -> timedelta:
    return datetime.fromtimestamp(second, zone).utcoffset() or timedelta()
