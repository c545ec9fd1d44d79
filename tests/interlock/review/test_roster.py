"""Roster files: what they say, and how a mistake is told."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from interlock.errors import InterlockError, UsageError
from interlock.review.roster import load_roster, parse_roster, person
from interlock.schemas import wire

GOOD = """
reviewers:
  - id: ann
    name: Ann Lee
    role: lead
    queues: [underwriting]
    qualifications: [clinician, {name: ai-oversight, expires: 2027-01-31}]
    time_zone: Europe/Berlin
    hours: {tue: ["09:00-17:00"], mon: ["09:00-12:00", "13:00-17:00"]}
    time_off: [{start: 2026-03-28, end: 2026-03-29}]
    contact: json://127.0.0.1:9/alerts
  - id: bob
    manager: ann
"""


def at(year: int, month: int, day: int, hour: int) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def test_a_person_becomes_the_record_that_the_desk_reads() -> None:
    ann, bob = (person.to_record() for person in parse_roster(GOOD, "roster.yaml", ()))
    found = wire.decode("Reviewer", wire.encode("Reviewer", ann))
    assert (found["name"], found["role"], found["queues"], found["capacity"]) == (
        "Ann Lee",
        "lead",
        ["underwriting"],
        5,
    )
    assert found["hours"] == [
        {"day": 0, "start": 540, "end": 720},
        {"day": 0, "start": 780, "end": 1020},
        {"day": 1, "start": 540, "end": 1020},
    ]
    # The last day counts; midnight in Berlin is 23:00 UTC the day before, and 22:00 once summer time has begun.
    assert found["qualifications"][1] == {"name": "ai-oversight", "expires_at": at(2027, 1, 31, 23)}
    assert found["time_off"] == [{"start": at(2026, 3, 27, 23), "end": at(2026, 3, 29, 22)}]
    assert (bob["name"], bob["manager"], bob["hours"]) == ("bob", "ann", [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("reviewers:\n - id: ann\n   rol: lead", "r.yaml:3: reviewers.0.rol: unknown field (did you mean role?)"),
        ("reviewers:\n - id: ann\n   capacity: 0", "r.yaml:3: reviewers.0.capacity: input should be greater than"),
        ("reviewers:\n - id: ann\n   time_zone: Europe/Berln", "r.yaml:3: reviewers.0.time_zone: unknown time zone"),
        ("reviewers:\n - id: ann\n   time_zone: Europe/Berln", "did you mean Europe/Berlin?"),
        ("reviewers:\n - id: a b", "r.yaml:2: reviewers.0.id:"),
        ("reviewers:\n - {name: Ann}", "r.yaml:2: reviewers.0.id: field required"),
        (
            'reviewers:\n - id: a\n   hours: {mon: ["17:00-09:00"]}',
            "r.yaml:3: reviewers.0.hours.mon.0: 17:00-09:00 ends",
        ),
        ('reviewers:\n - id: a\n   hours: {monday: ["09:00-17:00"]}', "r.yaml:3: reviewers.0.hours.monday"),
        ("reviewers:\n - id: a\n   contact: nonsense", "r.yaml:3: reviewers.0.contact: is not an address"),
        ("reviewers:\n - id: a\n   manager: b", "r.yaml:3: reviewers.0.manager: there is no reviewer 'b'"),
        ("reviewers:\n - id: a\n   manager: a", "r.yaml:2: reviewers.0: a person cannot be their own manager"),
        (
            "reviewers:\n - id: policy",
            "r.yaml:2: reviewers.0.id: no reviewer can be called 'policy'",
        ),
        ("reviewers:\n - id: desk", "r.yaml:2: reviewers.0.id: no reviewer can be called 'desk'"),
        ("reviewers:\n - id: a\n - id: a", "r.yaml:3: reviewers.1.id: 'a' stands here twice"),
        (
            "reviewers:\n - id: a\n   time_off: [{start: 2026-12-24, end: 2026-12-22}]",
            "r.yaml:2: reviewers.0: time off from 2026-12-24 ends before it begins",
        ),
        (
            "reviewers:\n - id: a\n   qualifications: [{name: x, expire: 2027-01-01}]",
            "r.yaml:3: reviewers.0.qualifications.0.expire: unknown field (did you mean expires?)",
        ),
        (
            f"reviewers:\n - id: a\n   queues: {[f'q{number}' for number in range(501)]}",
            "r.yaml:2: reviewers.0: 501 queues; 500 are possible: leave out what is over or not needed",
        ),
        (
            f"reviewers:\n - id: a\n   time_off: [{', '.join(['{start: 2026-12-24, end: 2026-12-24}'] * 51)}]",
            "r.yaml:2: reviewers.0: 51 time_off; 50 are possible",
        ),
        ("reviewers: []", "r.yaml:1: reviewers: "),
        ("- id: a", "r.yaml:1: a roster is a YAML mapping"),
        ("reviewers: [", "r.yaml:1: not YAML"),
        ("reviewers: " + "[" * 3_000, "r.yaml:1: not YAML: nested too deeply"),
        ('reviewers: [{id: "\\ud83d"}]', "r.yaml:1: reviewers.0.id: holds half a character"),
        ("reviewers: [{id: a, capacity: .nan}]", "r.yaml:1: reviewers.0.capacity: "),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(text: str, problem: str) -> None:
    with pytest.raises(InterlockError) as raised:
        parse_roster(text, "r.yaml", ())
    assert problem in str(raised.value)
    assert "nothing was changed" in str(raised.value)
    assert isinstance(raised.value, UsageError)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(InterlockError) as raised:
        parse_roster("reviewers:\n - id: a\n   rol: lead\n   capacity: 0", "r.yaml", ())
    assert len(str(raised.value).splitlines()) == 3


def test_a_manager_may_be_known_already_or_be_out_of_sight() -> None:
    text = "reviewers:\n - id: bob\n   manager: ann"
    assert parse_roster(text, "r.yaml", ["ann"])
    assert parse_roster(text, "r.yaml", None)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InterlockError, match="cannot read"):
        load_roster(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"reviewers: [{id: a, name: Ren\xe9}]")
    with pytest.raises(InterlockError, match=r"latin\.yaml is not UTF-8"):
        load_roster(tmp_path / "latin.yaml")


def test_a_wrong_field_of_one_person_is_named() -> None:
    with pytest.raises(InterlockError, match="capacity: input should be greater than"):
        person({"id": "ann", "capacity": 0})
