"""Whether the roster can do what policies ask for."""

from typing import Any

import pytest

from interlock.operations.staffing import unstaffed
from interlock.policy.load import parse
from interlock.processors.desk.reviewers import Reviewer, from_record
from interlock.schemas import wire

NOW = 1_767_225_600_000_000

POLICY = parse(
    """
name: hospital
domains:
  scan: {models: ['*'], outcomes: [benign, malignant], queue: radiology}
  letter: {models: ['*'], outcomes: [send, rewrite], queue: office}
queues:
  radiology: {qualifications: [clinician, radiologist]}
  office: {}
""",
    "p",
)


def person(name: str, *qualifications: str, until: int | None = None, **fields: Any) -> Reviewer:
    held = [{"name": qualification, "expires_at": until} for qualification in qualifications]
    record = {"id": name, "name": name, "qualifications": held} | fields
    return from_record(wire.decode_plain("Reviewer", wire.encode("Reviewer", record)))


def test_a_roster_that_can_do_everything_is_silent() -> None:
    assert list(unstaffed([POLICY], [person("ann", "clinician", "radiologist"), person("bob")], NOW)) == []


@pytest.mark.parametrize(
    "people",
    [
        [person("ann", "clinician"), person("bob", "radiologist")],
        [person("ann", "clinician", "radiologist", queues=["office"])],
        [person("ann", "clinician", "radiologist", until=NOW), person("bob")],
    ],
    ids=["each has half", "works elsewhere", "expired"],
)
def test_qualifications_that_nobody_has_are_named_with_their_queue(people: list[Reviewer]) -> None:
    assert list(unstaffed([POLICY], people, NOW)) == [
        "nobody on the roster is qualified as clinician and radiologist for queue radiology, to which policy hospital "
        "sends scan"
    ]


def test_a_queue_that_nobody_works_is_named() -> None:
    expert = person("ann", "clinician", "radiologist", queues=["radiology"])
    assert list(unstaffed([POLICY], [expert], NOW)) == [
        "nobody on the roster works queue office, to which policy hospital sends letter"
    ]
