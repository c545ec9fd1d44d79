"""A `Reviewer` record as the fields of a form, and back in the words of a roster file."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

from interlock.policy.working_hours import Day

DAYS: tuple[str, ...] = get_args(Day)

DAY_NAMES = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}

NOBODY: Mapping[str, Any] = {
    "id": "",
    "name": "",
    "role": "reviewer",
    "manager": "",
    "queues": [],
    "qualifications": [],
    "capacity": 5,
    "time_zone": "UTC",
    "hours": [],
    "time_off": [],
    "contact": "",
}


def fields_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Dates and hours in the zone of the person, as a roster file has them."""
    zone = ZoneInfo(record["time_zone"])
    return {
        **record,
        "qualifications": [
            {"name": held["name"], "expires": _last_day(held["expires_at"], zone)} for held in record["qualifications"]
        ],
        "hours": {
            day: ", ".join(
                f"{_clock(one['start'])}-{_clock(one['end'])}" for one in record["hours"] if one["day"] == at
            )
            for at, day in enumerate(DAYS)
        },
        "time_off": [_absence(one["start"], one["end"], zone) for one in record["time_off"]],
    }


def _last_day(end: datetime | None, zone: ZoneInfo) -> str:
    """The last day that counts; `end` is the moment from which it does not."""
    if end is None:
        return ""
    return (_local(end, zone) - timedelta(microseconds=1)).date().isoformat()


def _absence(start: datetime, end: datetime, zone: ZoneInfo) -> dict[str, str]:
    """Whole days as dates, both included; else local times."""
    begun, ended = _local(start, zone), _local(end, zone)
    if begun.time() == ended.time() == time():
        return {"start": begun.date().isoformat(), "end": _last_day(end, zone)}
    return {"start": _minute(begun), "end": _minute(ended)}


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(zone).replace(tzinfo=None)


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes" if not moment.second else "seconds")


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
