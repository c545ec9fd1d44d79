"""What waits for a signature: changes that people's answers justify, and policies that a person asks for."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response, Security
from pydantic import ConfigDict

from interlock.api import proposals
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.owner_fields import Body, IfMatch, Note, Reason
from interlock.api.pages import Cursor, Limit
from interlock.api.preconditions import etag
from interlock.policies import progress as reading
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1/proposals", tags=["proposals"])

Reader = Annotated[Principal, Security(authenticated, scopes=["proposals:read"])]
Signer = Annotated[Principal, Security(authenticated, scopes=["proposals:write"])]
ProposalId = Annotated[str, Path(description="Id of the proposal.", max_length=MAX_ID_BYTES)]


class Accept(Body):
    """Why, in the words of whoever signs; it stands in the note of the policy."""

    note: Note = ""

    model_config = ConfigDict(json_schema_extra={"example": {"note": "agreed with risk on Monday"}})


class Refuse(Body):
    """Why not: the next reader of the list sees it."""

    reason: Reason

    model_config = ConfigDict(json_schema_extra={"example": {"reason": "the audits of June were not blind"}})


@router.get("", summary="Proposals, newest first")
def listed(
    request: Request,
    person: Reader,  # noqa: ARG001 - who may
    state: Literal["", "open", "accepted", "refused", "revoked"] = "",
    kind: Literal["", "threshold", "safe_rule", "policy", "retraining", "coaching"] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Response:
    """With claim, evidence and intervals; without the text of requested policies."""
    return answer(proposals.proposal_rows(backend_of(request), state, kind, cursor, limit))


@router.get("/progress", summary="How far every lane is on its way to a certificate")
def progress(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """A row for every lane and model version: what is said in a line, the strictest threshold under test and the one
    that can be hoped for, each with audits so far, about how many are needed, and days at the pace of the
    last week. `risk`: what each
    policy allows a year, and what is used."""
    broker = backend_of(request).broker
    lanes = reading.lanes(broker)
    return answer({"lanes": lanes, "risk": reading.risks(lanes, broker)})


@router.post("/{proposal_id:id}/accept", summary="Sign a proposal: what it changes is in force at once")
def accept(
    request: Request, person: Signer, proposal_id: ProposalId, body: Accept, if_match: IfMatch = None
) -> Response:
    """409 `same-person` for who asked for the policy; 412 `stale-policy` where another version is in force than it was
    written against. Of kind `policy` it takes `policies:write` as well."""
    return answer(proposals.accept(backend_of(request), person.person, person.scopes, proposal_id, body.note, if_match))


@router.post("/{proposal_id:id}/refuse", summary="Refuse a proposal: nothing changes")
def refuse(
    request: Request, person: Signer, proposal_id: ProposalId, body: Refuse, if_match: IfMatch = None
) -> Response:
    """It is not made again on the same evidence. Who asked for a policy may take it back like that."""
    return answer(proposals.refuse(backend_of(request), person.person, proposal_id, body.reason, if_match))


@router.get("/{proposal_id:id}", summary="A proposal with its evidence and what it would put in force")
def one_proposal(request: Request, person: Reader, proposal_id: ProposalId) -> Response:  # noqa: ARG001
    """`effect`: the text of the policy with the change, and the differences; `problem`: why it can no longer be
    accepted. The ETag changes with the state and with the policy in force."""
    facts, version = proposals.proposal_facts(backend_of(request), proposal_id)
    return answer(facts, headers={"ETag": etag(version)})
