"""The roster."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, Security
from pydantic import ConfigDict

from interlock.api import reviewers
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import IfMatch
from interlock.api.preconditions import etag
from interlock.api.problems import Problem
from interlock.review.roster import Person
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1/reviewers", tags=["reviewers"])

Reader = Annotated[Principal, Security(authenticated, scopes=["reviewers:read"])]
Lead = Annotated[Principal, Security(authenticated, scopes=["reviewers:write"])]
ReviewerId = Annotated[str, Path(description="Id of the reviewer.", max_length=MAX_ID_BYTES)]


class Reviewer(Person):
    """A reviewer as in a roster file. A `contact` that is left out stays as it is; "" removes it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "ann",
                "name": "Ann Lee",
                "role": "lead",
                "queues": ["underwriting"],
                "qualifications": [{"name": "ai-oversight", "expires": "2027-01-31"}],
                "capacity": 3,
                "time_zone": "Europe/Berlin",
                "hours": {"mon": ["09:00-12:00", "13:00-17:00"]},
                "time_off": [{"start": "2026-12-24", "end": "2026-12-31"}],
            }
        }
    )


@router.get("", summary="Everybody on the roster, who is on duty, and what each has at hand")
def listed(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """`leased` and `assigned` count open tasks. `paused_since`: since when nothing is pushed to a person on duty, who
    did not begin a pushed task in time (`pause_reason`); null while tasks are pushed. It ends when the person claims a
    task or goes on duty again. Of a contact only its kind is shown."""
    return answer({"reviewers": reviewers.reviewer_rows(backend_of(request))})


@router.get("/{reviewer:id}", summary="One person of the roster")
def one(request: Request, person: Reader, reviewer: ReviewerId) -> Response:  # noqa: ARG001
    """The ETag is that of the record: it does not change with duty and load."""
    facts, version = reviewers.reviewer_facts(backend_of(request), reviewer)
    return answer(facts, headers={"ETag": etag(version)})


@router.put("/{reviewer:id}", summary="Enter a person, or replace what is known of one")
def put(request: Request, person: Lead, reviewer: ReviewerId, body: Reviewer, if_match: IfMatch = None) -> Response:
    """`If-Match` is required where the person is known already."""
    if body.id != reviewer:
        raise Problem(422, "wrong-name", f"the body is about {body.id!r}, not about {reviewer!r}")
    keep_contact = "contact" not in body.model_fields_set
    facts, version = reviewers.put(backend_of(request), person.person, body, if_match, keep_contact=keep_contact)
    return answer(facts, headers={"ETag": etag(version)})


@router.delete("/{reviewer:id}", summary="Remove a person; what they hold returns to its queue", status_code=204)
def remove(request: Request, person: Lead, reviewer: ReviewerId, if_match: IfMatch = None) -> Response:
    """`If-Match` is required."""
    reviewers.remove(backend_of(request), person.person, reviewer, if_match)
    return Response(status_code=204)
