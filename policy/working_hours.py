"""When people work, as a policy or a roster writes it."""

import re
from datetime import date, datetime
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from interlock.policy.parts import Part, sorted_set

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@cache
def time_zones() -> frozenset[str]:
    """IANA names; `localtime` is another zone on every machine."""
    return frozenset(available_timezones() - {"localtime"})


def _time_zone(name: str) -> str:
    if name not in time_zones():
        raise PydanticCustomError("time_zone", "unknown time zone")
    return name


def _date(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value} is not a date: {error}") from error
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("write a date such as 2026-12-25")
    return value


def minutes(interval: str) -> tuple[int, int]:
    """Begin and end of "HH:MM-HH:MM" in minutes after midnight; raises ValueError if it is none."""
    match = re.fullmatch(r"([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)", interval)
    if match is None:
        raise ValueError("write hours such as 09:00-17:00, at most until 24:00")
    begin = int(match[1]) * 60 + int(match[2])
    end = 24 * 60 if match[3] is None else int(match[3]) * 60 + int(match[4])
    if begin >= end:
        raise ValueError(f"{interval} ends before it begins; what goes on after midnight belongs to the next day")
    return begin, end


def _in_order(intervals: tuple[str, ...]) -> tuple[str, ...]:
    """Raises ValueError where an interval begins before the end of the previous one."""
    for earlier, later in pairwise(intervals):
        if minutes(later)[0] < minutes(earlier)[1]:
            raise ValueError(f"{later} begins before {earlier} has ended")
    return intervals


def _open_days(hours: dict[Day, tuple[str, ...]]) -> dict[Day, tuple[str, ...]]:
    """The days with working hours; raises ValueError for a week with less than an hour of work."""
    intervals = [minutes(interval) for day in hours.values() for interval in day]
    # With less, a service level of days would not end within a year.
    if sum(end - begin for begin, end in intervals) < 60:
        raise ValueError("a week has at least one hour of work")
    return {day: intervals for day, intervals in hours.items() if intervals}


def _interval(text: str) -> str:
    minutes(text)
    return text


Intervals = Annotated[tuple[Annotated[str, AfterValidator(_interval)], ...], AfterValidator(_in_order)]
Date = Annotated[date, BeforeValidator(_date)]
Holidays = Annotated[tuple[Date, ...], AfterValidator(sorted_set)]


class Calendar(Part):
    """When people work: local hours by weekday, such as mon: [09:00-12:00, 13:00-17:00], except on `holidays`."""

    time_zone: Annotated[str, AfterValidator(_time_zone)]
    hours: Annotated[dict[Day, Intervals], AfterValidator(_open_days)]
    holidays: Holidays = ()

    def __hash__(self) -> int:
        # The hash that pydantic gives fails on the dict of hours.
        return hash((self.time_zone, self.holidays))
