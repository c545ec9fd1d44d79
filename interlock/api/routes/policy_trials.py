"""What owners do with a change of a policy that is tried beside the version in force."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from interlock.api import policy_trials
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import Body, IfMatch, Note, Reason
from interlock.api.preconditions import etag
from interlock.api.routes.policies import EXAMPLE, Owner, PolicyName, Reader, Source
from interlock.policy.stages import MAX_SHARE

router = APIRouter(prefix="/v1/policies/{name:id}/candidate", tags=["policies"])


class Begin(Source):
    """`forecast`: the report of a replay of this text, of which sums are kept."""

    note: Reason
    forecast: dict[str, Any] | None = None

    model_config = ConfigDict(json_schema_extra={"example": {"source": EXAMPLE, "note": "fewer reviews"}})


class Share(Body):
    """Which share of the decisions it decides; 0: none again."""

    share: Annotated[float, Field(ge=0, le=MAX_SHARE)]

    model_config = ConfigDict(json_schema_extra={"example": {"share": 0.1}})


class Promotion(Body):
    """`note`: why, in your words."""

    note: Note = ""

    model_config = ConfigDict(json_schema_extra={"example": {"note": "as forecast"}})


class Withdrawal(Body):
    """`note`: why, for whoever reads the history."""

    note: Reason

    model_config = ConfigDict(json_schema_extra={"example": {"note": "twice the reviews that were forecast"}})


@router.get("", summary="The change of a policy that is tried, and what it has shown")
def candidate(request: Request, person: Reader, name: PolicyName) -> Response:  # noqa: ARG001
    """How many decisions the version in force and the candidate route where, and what is `missing` before it may be
    promoted; both are null where ClickHouse is away, and `unavailable` says so. The ETag is its version."""
    facts = policy_trials.candidate(backend_of(request), name)
    return answer(facts, headers={"ETag": etag(facts["version"])})


@router.post("", summary="Try a change of a policy in shadow")
def begin(request: Request, person: Owner, name: PolicyName, body: Begin, if_match: IfMatch = None) -> Response:
    """The version in force goes on to decide. `If-Match`, with the version in force, is required where one is in
    force. 409 `candidate-stands` where another change is being tried."""
    facts = policy_trials.begin(
        backend_of(request), person.person, name, body.source, body.note, body.forecast, if_match
    )
    return answer(facts, headers={"ETag": etag(facts["version"])})


@router.post("/share", summary="Let the change that is tried decide a share of the decisions")
def share(request: Request, person: Owner, name: PolicyName, body: Share, if_match: IfMatch = None) -> Response:
    """More than before takes what a promotion takes. `If-Match`: the version that is tried."""
    return answer(policy_trials.give_share(backend_of(request), person.person, name, body.share, if_match))


@router.post("/promote", summary="Sign the change that is tried: it is in force")
def promote(request: Request, person: Owner, name: PolicyName, body: Promotion, if_match: IfMatch = None) -> Response:
    """`If-Match`: the version that is tried. 409 `trial-too-short` with what is `missing`; 409 `same-person` where
    another person than the one who began the trial must sign; 412 `stale-policy` where another version is in force
    than it was tried against."""
    facts = policy_trials.promote(backend_of(request), person.person, name, body.note, if_match)
    return answer(facts, headers={"ETag": etag(facts["version"])})


@router.post("/withdraw", summary="End the trial of a change")
def withdraw(request: Request, person: Owner, name: PolicyName, body: Withdrawal, if_match: IfMatch = None) -> Response:
    """The version in force decides everything. `If-Match`: the version that is tried."""
    return answer(policy_trials.withdraw(backend_of(request), person.person, name, body.note, if_match))
