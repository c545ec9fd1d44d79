"""Working time, where clocks change and days are missing too."""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.policy.calendars import due, is_open, worked
from interlock.policy.working_hours import Calendar, minutes
from tests.policy.strategies import WEEK, calendars

# Changes of an hour at night, of half an hour, at midnight, and a day that Samoa left out (2011-12-30).
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"]
CHANGES = [
    datetime(2011, 12, 30, 10, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 4, 4, 15, tzinfo=UTC),
    datetime(2026, 4, 23, 22, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 10, 29, 21, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
]
HOUR = 3600


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _at(text: str, zone: str) -> int:
    return _micros(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def _calendar(zone: str, hours: dict[str, list[str]], *holidays: str) -> Calendar:
    return Calendar.model_validate({"time_zone": zone, "hours": hours, "holidays": holidays})


def _office(zone: str, *holidays: str) -> Calendar:
    return _calendar(zone, {day: ["09:00-17:00"] for day in WEEK[:5]}, *holidays)


_instants = st.builds(
    lambda change, offset: _micros(change) + offset,
    st.sampled_from(CHANGES),
    st.integers(-3 * 86_400_000_000, 3 * 86_400_000_000) | st.integers(-12, 12).map(lambda n: n * 900_000_000),
)
_calendars = calendars(ZONES, st.sampled_from([change.date() for change in CHANGES])).map(Calendar.model_validate)
_maybe = st.none() | _calendars
_seconds = st.integers(0, 10 * 86_400) | st.integers(0, 20).map(lambda n: n * HOUR)
# The calendars have 10.5 hours a week and more: up to four years, which are computed by whole weeks.
_many_seconds = st.integers(0, 2_200 * HOUR) | st.integers(0, 100).map(lambda weeks: weeks * 10 * HOUR + weeks * 1800)


@given(_instants, _seconds, _maybe)
@settings(deadline=None)
def test_what_is_due_after_some_work_is_reached_by_exactly_that_work(
    start: int, seconds: int, calendar: Calendar | None
) -> None:
    end = due(start, seconds, calendar)
    assert worked(start, end, calendar) == seconds
    # And no earlier.
    assert end == start or worked(start, end - 1, calendar) < seconds


@given(_instants, _many_seconds, _calendars)
@settings(deadline=None, max_examples=200)
def test_what_is_due_after_years_is_due_when_a_walk_over_every_day_says_so(
    start: int, seconds: int, calendar: Calendar
) -> None:
    end = due(start, seconds, calendar)
    assert worked(start, end, calendar) == seconds
    assert end == start or worked(start, end - 1, calendar) < seconds


@given(_instants, st.integers(0, 10**12), _seconds, _seconds, _maybe)
@settings(deadline=None)
def test_who_begins_later_or_has_more_to_do_is_never_done_earlier(
    start: int, later: int, seconds: int, more: int, calendar: Calendar | None
) -> None:
    assert due(start, seconds, calendar) <= due(start + later, seconds, calendar)
    assert due(start, seconds, calendar) <= due(start, seconds + more, calendar)
    assert due(due(start, seconds, calendar), more, calendar) == due(start, seconds + more, calendar)


@given(_instants, st.integers(0, 10**7), st.integers(0, 10**7), _maybe)
@settings(deadline=None)
def test_work_adds_up_and_never_exceeds_the_time_that_passed(
    start: int, first: int, second: int, calendar: Calendar | None
) -> None:
    start -= start % 1_000_000
    middle, end = start + first * 1_000_000, start + (first + second) * 1_000_000
    whole = worked(start, end, calendar)
    assert worked(start, middle, calendar) + worked(middle, end, calendar) == whole <= first + second
    assert worked(end, start, calendar) == 0


@given(_instants, _calendars)
@settings(deadline=None, max_examples=30)
def test_work_is_the_time_for_which_the_calendar_is_open(start: int, calendar: Calendar) -> None:
    start -= start % 60_000_000
    step = 60_000_000  # opening, closing and change of clocks are on whole minutes
    days = 3
    opened = sum(is_open(start + minute * step, calendar) for minute in range(days * 1440))
    assert worked(start, start + days * 1440 * step, calendar) == opened * 60


@given(_instants, _calendars)
@settings(deadline=None, max_examples=300)
def test_it_is_open_when_the_clock_on_the_wall_says_so(instant: int, calendar: Calendar) -> None:
    local = datetime.fromtimestamp(instant // 1_000_000, ZoneInfo(calendar.time_zone))
    minute = local.hour * 60 + local.minute
    hours = [
        minutes(interval)
        for day, intervals in calendar.hours.items()
        if day == WEEK[local.weekday()]
        for interval in intervals
    ]
    shown = local.date() not in calendar.holidays and any(begin <= minute < end for begin, end in hours)
    if local.fold == 0:  # the second time around, the first has been counted
        assert is_open(instant, calendar) is shown


@given(_instants, _seconds)
def test_without_a_calendar_the_clock_on_the_wall_counts(start: int, seconds: int) -> None:
    assert due(start, seconds, None) == start + seconds * 1_000_000
    assert is_open(start, None)


@pytest.mark.parametrize(
    ("zone", "friday", "monday"),
    [
        ("Europe/Berlin", "2026-03-27T16:00", "2026-03-30T08:00+00:00"),
        ("Europe/Berlin", "2026-10-23T16:00", "2026-10-26T09:00+00:00"),
        ("America/New_York", "2026-03-06T16:00", "2026-03-09T14:00+00:00"),
        ("America/New_York", "2026-10-30T16:00", "2026-11-02T15:00+00:00"),
    ],
)
def test_two_hours_from_friday_at_four_end_on_monday_at_ten_whatever_the_clocks_did(
    zone: str, friday: str, monday: str
) -> None:
    start = _at(friday, zone)
    end = due(start, 2 * HOUR, _office(zone))
    assert datetime.fromtimestamp(end / 1e6, UTC) == datetime.fromisoformat(monday)
    assert datetime.fromtimestamp(end / 1e6, ZoneInfo(zone)).hour == 10


@pytest.mark.parametrize(
    ("zone", "sunday", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Europe/Berlin", "2026-06-07", 24),
    ],
)
def test_a_day_around_the_clock_is_as_long_as_the_clocks_make_it(zone: str, sunday: str, hours: float) -> None:
    calendar = _calendar(zone, {day: ["00:00-24:00"] for day in WEEK})
    begin, end = _at(sunday, zone), _at((date.fromisoformat(sunday) + timedelta(days=1)).isoformat(), zone)
    assert worked(begin, end, calendar) == hours * HOUR
    assert due(begin, int(hours * HOUR), calendar) == end


def test_hours_that_the_clocks_leave_out_do_not_exist_and_those_that_come_twice_count_once() -> None:
    calendar = _calendar("Europe/Berlin", {"sun": ["02:15-02:45", "02:45-04:00"]})
    spring, autumn = _at("2026-03-29T00:00", "Europe/Berlin"), _at("2026-10-25T00:00", "Europe/Berlin")
    assert worked(spring, spring + 86_400_000_000, calendar) == HOUR
    assert is_open(_micros(datetime(2026, 3, 29, 1, tzinfo=UTC)), calendar)
    assert not is_open(_micros(datetime(2026, 3, 29, 1, tzinfo=UTC)) - 1, calendar)
    # From the first 02:15 until 04:00, an hour more than the clock shows.
    assert worked(autumn, autumn + 86_400_000_000, calendar) == 2.75 * HOUR


def test_holidays_and_a_day_that_a_country_left_out_are_skipped() -> None:
    christmas = _office("Europe/Berlin", "2026-12-24", "2026-12-25")
    eve = _at("2026-12-23T16:30", "Europe/Berlin")
    assert due(eve, HOUR, christmas) == _at("2026-12-28T09:30", "Europe/Berlin")
    assert not is_open(_at("2026-12-24T12:00", "Europe/Berlin"), christmas)
    # Samoa went from Thursday 29 to Saturday 31 December 2011.
    samoa = _office("Pacific/Apia")
    assert due(_at("2011-12-29T16:30", "Pacific/Apia"), HOUR, samoa) == _at("2012-01-02T09:30", "Pacific/Apia")


def test_what_is_done_as_the_day_closes_is_done_that_day() -> None:
    office = _office("UTC")
    assert due(_at("2026-07-01T16:00", "UTC"), HOUR, office) == _at("2026-07-01T17:00", "UTC")
    assert not is_open(_at("2026-07-01T17:00", "UTC"), office)
    assert due(_at("2026-07-04T12:00", "UTC"), 1, office) == _at("2026-07-06T09:00:01", "UTC")


def test_a_service_level_of_three_days_over_weeks_costs_microseconds() -> None:
    office = _office("America/New_York")
    start = _at("2026-03-01T12:00", "America/New_York")
    began = time.process_time()
    for minute in range(10_000):
        due(start + minute * 60_000_000, 3 * 86_400, office)
    assert time.process_time() - began < 3  # some 0.1 s on an idle machine


@pytest.mark.parametrize(
    ("hours", "seconds", "readings"),
    [
        ({day: ["09:00-12:00", "13:00-18:00"] for day in WEEK[:5]}, 52 * 40 * HOUR, 1_700),
        ({"mon": ["09:00-10:00"]}, 52 * HOUR, 1_700),
        # 41 years; refused in policy files.
        ({"mon": ["09:00-10:00"]}, 90 * 86_400, 85_000),
    ],
)
def test_a_service_level_of_a_year_costs_less_than_a_millisecond_also_the_first_one(
    hours: dict[str, list[str]], seconds: int, readings: int
) -> None:
    start = _at("2026-03-01T12:00", "Europe/Berlin")
    zone = ZoneInfo("Europe/Berlin")
    took, thousand_readings = [], []
    # The quickest of some, in readings of a local clock (0.57 microseconds on an idle machine): the machine is shared.
    for year in range(2000, 2020):
        not_used_before = _calendar("Europe/Berlin", hours, "2026-12-25", f"{year}-12-25")
        began = time.process_time()
        due(start, seconds, not_used_before)
        found_at = time.process_time()
        for day in range(1000):
            datetime.fromtimestamp(day * 86_400, zone)
        took.append(found_at - began)
        thousand_readings.append(time.process_time() - found_at)
    assert min(took) < readings / 1000 * min(thousand_readings), (took, thousand_readings)


def test_equal_calendars_are_one_and_others_are_told_apart() -> None:
    first: dict[Any, int] = {_office("UTC"): 1}
    assert first[_office("UTC")] == 1
    assert _office("Europe/Berlin") not in first
    assert _calendar("UTC", {"mon": ["09:00-17:00"]}) not in first
