from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.desk.hours import is_working, next_change

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

BERLIN = "Europe/Berlin"
OFFICE = [(day, 9 * 60, 17 * 60) for day in range(5)]


def person(
    hours: list[tuple[int, int, int]], zone: str = "UTC", off: tuple[tuple[int, int], ...] = ()
) -> dict[str, Any]:
    return {
        "hours": [{"day": day, "start": start, "end": end} for day, start, end in hours],
        "time_zone": zone,
        "time_off": [{"start": start, "end": end} for start, end in off],
    }


def at(wall: str, zone: str = BERLIN, fold: int = 0) -> int:
    return int(datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()) * SECOND


def test_without_hours_a_person_works_at_any_time_and_nothing_changes() -> None:
    anybody = person([])
    assert is_working(anybody, at("2026-01-04T03:00"))
    assert next_change(anybody, at("2026-01-04T03:00")) is None


def test_hours_count_by_the_clock_of_the_person() -> None:
    # 2026-01-05 is a Monday.
    noon_in_berlin = at("2026-01-05T12:00")
    assert is_working(person(OFFICE, BERLIN), noon_in_berlin)
    assert not is_working(person(OFFICE, "America/New_York"), noon_in_berlin)


def test_work_begins_with_the_first_minute_and_ends_before_the_last() -> None:
    berlin = person(OFFICE, BERLIN)
    start, end = at("2026-01-05T09:00"), at("2026-01-05T17:00")
    assert [is_working(berlin, instant) for instant in (start - 1, start, end - 1, end)] == [False, True, True, False]


def test_the_next_change_is_the_end_of_the_shift_or_the_start_of_the_next() -> None:
    berlin = person(OFFICE, BERLIN)
    assert next_change(berlin, at("2026-01-05T12:00")) == at("2026-01-05T17:00")
    assert next_change(berlin, at("2026-01-09T17:00")) == at("2026-01-12T09:00")


def test_a_shift_that_goes_on_after_midnight_is_one_shift() -> None:
    night = person([(0, 22 * 60, 24 * 60), (1, 0, 6 * 60)], BERLIN)
    assert is_working(night, at("2026-01-06T00:00"))
    assert next_change(night, at("2026-01-05T23:00")) == at("2026-01-06T06:00")


def test_nine_in_the_morning_is_nine_before_and_after_the_clocks_change() -> None:
    berlin = person([(day, 9 * 60, 17 * 60) for day in range(7)], BERLIN)
    # Clocks go forward in the night to 2026-03-29, back in the night to 2026-10-25.
    assert next_change(berlin, at("2026-03-28T17:00")) == at("2026-03-29T09:00")
    assert at("2026-03-29T09:00") - at("2026-03-28T17:00") == 15 * HOUR
    assert next_change(berlin, at("2026-10-24T17:00")) == at("2026-10-25T09:00")
    assert at("2026-10-25T09:00") - at("2026-10-24T17:00") == 17 * HOUR


def test_a_shift_that_begins_in_the_hour_that_is_left_out_begins_when_the_clocks_jump() -> None:
    early = person([(6, 2 * 60 + 30, 10 * 60)], BERLIN)
    assert next_change(early, at("2026-03-28T12:00")) == at("2026-03-29T03:00")


def test_a_shift_within_the_hour_that_is_left_out_does_not_take_place() -> None:
    short = person([(6, 2 * 60 + 10, 2 * 60 + 50)], BERLIN)
    assert next_change(short, at("2026-03-28T12:00")) == at("2026-04-05T02:10")


def test_an_hour_that_comes_twice_is_worked_twice() -> None:
    night = person([(6, 60, 3 * 60)], BERLIN)
    assert next_change(night, at("2026-10-25T01:00")) == at("2026-10-25T01:00") + 3 * HOUR


def test_a_shift_that_ends_within_the_hour_that_comes_twice_ends_twice() -> None:
    night = person([(6, 0, 2 * 60 + 30)], BERLIN)
    ends = [at("2026-10-25T02:30"), at("2026-10-25T02:00", fold=1), at("2026-10-25T02:30", fold=1)]
    assert next_change(night, at("2026-10-25T01:00")) == ends[0]
    assert next_change(night, ends[0]) == ends[1]
    assert next_change(night, ends[1]) == ends[2]


def test_time_off_beats_hours_and_its_end_is_no_longer_off() -> None:
    start, end = at("2026-01-05T11:00"), at("2026-01-06T10:00")
    berlin = person(OFFICE, BERLIN, off=((start, end),))
    assert [is_working(berlin, instant) for instant in (start - 1, start, end - 1, end)] == [True, False, False, True]
    assert next_change(berlin, at("2026-01-05T10:00")) == start
    assert next_change(berlin, start) == end


def test_who_comes_back_on_a_sunday_works_from_monday() -> None:
    off = (at("2026-01-05T00:00"), at("2026-02-01T12:00"))
    assert next_change(person(OFFICE, BERLIN, off=(off,)), at("2026-01-05T08:00")) == at("2026-02-02T09:00")


def test_who_is_away_for_ever_does_not_come_back() -> None:
    for_ever = int(datetime(9999, 12, 31, 23, 59, tzinfo=UTC).timestamp()) * SECOND
    start = at("2026-01-05T10:00")
    gone = person(OFFICE, BERLIN, off=((start, for_ever),))
    assert next_change(gone, start) is None
    assert next_change(gone, start - HOUR) == start


def test_one_time_off_after_the_other_is_one_absence() -> None:
    first = (at("2026-01-05T09:30"), at("2026-01-07T12:00"))
    second = (at("2026-01-06T09:30"), at("2026-01-20T18:00"))
    assert next_change(person(OFFICE, BERLIN, off=(second, first)), first[0]) == at("2026-01-21T09:00")


@pytest.mark.parametrize("hours", [[(0, 600, 600)], [(0, 700, 600)], [(9, 0, 1440)]])
def test_hours_without_a_minute_are_never_worked(hours: list[tuple[int, int, int]]) -> None:
    nobody = person(hours, BERLIN)
    assert not is_working(nobody, at("2026-01-05T10:00"))
    assert next_change(nobody, at("2026-01-05T10:00")) is None


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_an_unknown_time_zone_counts_as_utc(zone: str) -> None:
    lost = person(OFFICE, zone)
    assert is_working(lost, at("2026-01-05T16:59", "UTC"))
    assert next_change(lost, at("2026-01-05T16:59", "UTC")) == at("2026-01-05T17:00", "UTC")


# Days around a change of the clocks: by an hour, by half an hour, at midnight, in the southern winter.
CHANGES = [
    (BERLIN, "2026-03-28"),
    (BERLIN, "2026-10-24"),
    ("Australia/Lord_Howe", "2026-04-04"),
    ("Australia/Lord_Howe", "2026-10-03"),
    ("Africa/Cairo", "2026-04-23"),
    ("America/Sao_Paulo", "2018-11-03"),
]

shifts = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 96), st.integers(0, 96)).map(
        lambda instant: (instant[0], min(instant[1:]) * 15, max(instant[1:]) * 15)
    ),
    min_size=1,
    max_size=6,
)
absences = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=2)


@given(st.sampled_from(CHANGES), shifts, absences, st.integers(0, 48 * 4))
def test_until_the_next_change_the_answer_stays_and_there_it_is_another(
    change: tuple[str, str], hours: list[tuple[int, int, int]], off: list[tuple[int, int]], quarter: int
) -> None:
    zone, day = change
    base = at(f"{day}T00:00", zone)
    somebody = person(
        hours, zone, tuple((base + start * 15 * MINUTE, base + (start + length) * 15 * MINUTE) for start, length in off)
    )
    now = base + quarter * 15 * MINUTE + 7
    found = next_change(somebody, now)
    answer = is_working(somebody, now)
    if found is not None:
        assert found > now
        assert is_working(somebody, found) != answer
        assert is_working(somebody, found - 1) == answer
    # Every edge is at a quarter of an hour.
    until = min(found - 1, now + 9 * DAY) if found is not None else now + 9 * DAY
    assert all(is_working(somebody, instant) == answer for instant in range(now, until, 15 * MINUTE))
