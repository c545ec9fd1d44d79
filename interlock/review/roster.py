"""The roster: a YAML file of reviewers, checked, and the records that the desk reads.

reviewers:
  - id: ann
    name: Ann Lee
    role: lead
    queues: [underwriting]
    qualifications: [clinician, {name: ai-oversight, expires: 2027-01-31}]
    time_zone: Europe/Berlin
    hours: {mon: ["09:00-12:00", "13:00-17:00"], tue: ["09:00-17:00"]}
    time_off: [{start: 2026-12-24, end: 2026-12-31}]
"""

import warnings
from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from interlock.errors import UsageError
from interlock.policy.errors import Diagnostic, PolicyError
from interlock.policy.parts import Name
from interlock.policy.source_map import Document
from interlock.policy.syntax import near
from interlock.policy.working_hours import Day, Intervals, minutes, time_zones
from interlock.processors.desk.reviewers import LIMITS, check_id
from interlock.processors.review.times import micros

_DAYS = get_args(Day)

# Longer than any name or id, and than any URL that browsers and mail servers take: records stay small.
_MAX_NAME = 1_000
_MAX_CONTACT = 4_000

# What the policy's YAML reader says of a file of another kind.
_OTHER_FILE = "a policy is a YAML mapping of fields"


def _known_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError(f"unknown time zone {name!r}; {near(name, sorted(time_zones())) if name else 'write UTC'}")
    return name


def _reachable(url: str) -> str:
    if url:
        from apprise import Apprise

        with warnings.catch_warnings():
            # Its plugins, which it loads now, import modules that Python has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            known = Apprise().add(url)
        if not known:
            raise ValueError("is not an address for alerts: write an apprise URL such as mailto://… or ''")
    return url


def _plain(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HeldQualification(_Part):
    """A qualification; `expires`: the last day on which it counts."""

    name: Name
    expires: date | None = None


class Absence(_Part):
    """From `start` to `end`: dates are whole days, both included; times are local unless they carry an offset."""

    start: date | datetime
    end: date | datetime


class Person(_Part):
    """A reviewer as leads write them down; the fields of `Reviewer.avsc`."""

    id: Annotated[Name, AfterValidator(check_id)]
    name: Annotated[str, Field(max_length=_MAX_NAME)] = ""
    role: Literal["reviewer", "lead"] = "reviewer"
    manager: Annotated[str, Field(max_length=_MAX_NAME)] = ""
    queues: tuple[Name, ...] = ()
    qualifications: tuple[Annotated[HeldQualification, BeforeValidator(_plain)], ...] = ()
    capacity: Annotated[int, Field(ge=1, le=1000)] = 5
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    hours: dict[Day, Intervals] = Field(default_factory=dict)
    time_off: tuple[Absence, ...] = ()
    contact: Annotated[str, Field(max_length=_MAX_CONTACT), AfterValidator(_reachable)] = ""

    @model_validator(mode="after")
    def _makes_sense(self) -> "Person":
        if self.manager == self.id:
            raise ValueError("a person cannot be their own manager; leave manager out")
        for absence in self.time_off:
            if _from(absence.start, ZoneInfo(self.time_zone)) >= _until(absence.end, ZoneInfo(self.time_zone)):
                raise ValueError(f"time off from {absence.start} ends before it begins, at {absence.end}")
        counts = {
            "hours": sum(map(len, self.hours.values())),
            "time_off": len(self.time_off),
            "queues": len(self.queues),
            "qualifications": len(self.qualifications),
        }
        for name, count in counts.items():
            if count > LIMITS[name]:
                raise ValueError(f"{count:,} {name}; {LIMITS[name]} are possible: leave out what is over or not needed")
        return self

    def to_record(self) -> dict[str, Any]:
        """The `Reviewer` record."""
        zone = ZoneInfo(self.time_zone)
        return {
            "id": self.id,
            "name": self.name or self.id,
            "role": self.role,
            "manager": self.manager,
            "queues": list(self.queues),
            "qualifications": [
                {"name": item.name, "expires_at": None if item.expires is None else _until(item.expires, zone)}
                for item in self.qualifications
            ],
            "capacity": self.capacity,
            "time_zone": self.time_zone,
            "hours": [
                {"day": _DAYS.index(day), "start": start, "end": end}
                for day in _DAYS
                for start, end in map(minutes, self.hours.get(day, ()))
            ],
            "time_off": [{"start": _from(item.start, zone), "end": _until(item.end, zone)} for item in self.time_off],
            "contact": self.contact,
        }


class Roster(_Part):
    """A whole file."""

    reviewers: tuple[Person, ...] = Field(min_length=1)


def load_roster(path: Path, known: Collection[str] | None = None) -> list[Person]:
    """The people in a file; `known`: ids that exist besides, None if that is not known.

    Raises InterlockError with every problem, each with file, line and field.
    """
    try:
        return parse_roster(path.read_text(encoding="utf-8"), str(path), known)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text") from error


def parse_roster(text: str, source: str, known: Collection[str] | None = None) -> list[Person]:
    """The people in `text`; `source` is what problems call it."""
    try:
        document = Document(text, source)
        try:
            people = list(Roster.model_validate(document.data).reviewers)
        except ValidationError as error:
            # A list of which every item is wrong is reported as too short as well.
            errors = error.errors()
            wrong = [detail for detail in errors if detail["type"] != "too_short"] or errors
            raise PolicyError(_problem(document, detail) for detail in wrong) from error
        problems = list(_contradictions(document, people, known))
        if problems:
            raise PolicyError(problems)
    except PolicyError as error:
        text = str(error).replace(_OTHER_FILE, "a roster is a YAML mapping with the field reviewers")
        raise UsageError(f"the roster is not valid; nothing was changed.\n{text}") from error
    return people


def person(fields: dict[str, Any]) -> Person:
    """One person from the fields that are given; raises InterlockError naming the field that is wrong."""
    try:
        return Person.model_validate(fields)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, detail['loc'])) or 'reviewer'}: {_message(detail)}" for detail in error.errors()]
        raise UsageError("; ".join(lines)) from error


def _contradictions(document: Document, people: list[Person], known: Collection[str] | None) -> Iterator[Diagnostic]:
    ids = [entry.id for entry in people]
    for index, entry in enumerate(people):
        if entry.id in ids[:index]:
            yield document.problem(("reviewers", index, "id"), f"{entry.id!r} stands here twice", "remove one")
        if known is not None and entry.manager and entry.manager not in {*ids, *known}:
            yield document.problem(
                ("reviewers", index, "manager"), f"there is no reviewer {entry.manager!r}", near(entry.manager, ids)
            )


def _problem(document: Document, error: Any) -> Diagnostic:
    path = tuple(part for part in error["loc"] if part != "[key]")
    if error["type"] != "extra_forbidden":
        return document.problem(path, _message(error))
    by_depth: dict[int, type[_Part]] = {1: Roster, 3: Person}
    model = by_depth.get(len(path), Absence if "time_off" in path else HeldQualification)
    return document.problem(path, "unknown field", near(str(path[-1]), model.model_fields))


def _message(error: Any) -> str:
    text = error["msg"].removeprefix("Value error, ")
    return str(text[0].lower() + text[1:])


def _from(moment: date, zone: ZoneInfo) -> int:
    return micros(_localised(moment, zone) if isinstance(moment, datetime) else _midnight(moment, zone))


def _until(moment: date, zone: ZoneInfo) -> int:
    if isinstance(moment, datetime):
        return micros(_localised(moment, zone))
    return micros(_midnight(moment + timedelta(days=1), zone))


def _localised(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
