"""The roster: who decides, with which rights and hours, and entering, changing and removing people."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from interlock.api import reviewers, work
from interlock.api.access.principal import Principal
from interlock.api.backend import backend_of
from interlock.api.preconditions import etag
from interlock.console.pages.showing import needs, show
from interlock.console.roster_form import DAY_NAMES, NOBODY, fields_of
from interlock.policy.working_hours import time_zones

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("reviewers:read"))]
Lead = Annotated[Principal, Depends(needs("reviewers:write"))]


@router.get("/reviewers")
def listed(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    rows = reviewers.reviewer_rows(backend_of(request))
    template = "parts/reviewer_list.html" if "hx-request" in request.headers else "reviewers.html"
    return show(request, template, people=[{**row, "form": fields_of(row)} for row in rows])


@router.get("/new-reviewer")
def new(request: Request, person: Lead) -> Response:  # noqa: ARG001
    return show(request, "reviewer.html", form=fields_of(NOBODY), record=None, tag="", **_choices(request))


@router.get("/reviewers/{reviewer:id}")
def one(request: Request, person: Reader, reviewer: str) -> Response:  # noqa: ARG001
    record, version = reviewers.reviewer_facts(backend_of(request), reviewer)
    return show(request, "reviewer.html", form=fields_of(record), record=record, tag=etag(version), **_choices(request))


def _choices(request: Request) -> dict[str, Any]:
    """What the fields of the form offer."""
    backend = backend_of(request)
    declared = {queue for policy in backend.policies.in_force.values() for queue in policy.queues}
    served = {domain.queue for policy in backend.policies.in_force.values() for domain in policy.domains.values()}
    counted = {counts.queue for counts in work.queue_counts(backend)}
    held = {one["name"] for record in backend.board.reviewers.values() for one in record["qualifications"]}
    return {
        "days": DAY_NAMES,
        "zones": sorted(time_zones()),
        "people": backend.board.reviewers,
        "queue_names": sorted(declared | served | counted),
        "qualification_names": sorted(held),
    }
