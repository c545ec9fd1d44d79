"""The audit trail, proved over HTTP."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security

from interlock.api import audit, shapes
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.problems import Problem, not_found
from interlock.operations.audit_trail import Asked
from interlock.schemas import catalogue
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1/audit", tags=["audit"])

Auditor = Annotated[Principal, Security(authenticated, scopes=["audit:read"])]

_STORED = {topic.name for topic in catalogue.STORED_TOPICS}

_ZIP = "application/zip"


@router.get(
    "/verify",
    summary="Prove that no stored record was changed, removed, inserted or put into another order",
    response_model=shapes.TrailProof | shapes.DecisionProof,
)
def verify(
    request: Request,
    person: Auditor,
    decision_id: Annotated[
        str, Query(max_length=MAX_ID_BYTES, description="Only the records about this decision.")
    ] = "",
    topic: Annotated[list[str] | None, Query(max_length=50, description="Only these topics; may be repeated.")] = None,
    since: Annotated[
        datetime | None, Query(description="Only rows from this time on; UTC where no zone is given.")
    ] = None,
) -> Response:
    """`ok` is false where a chain is broken; `first_break` then has both hashes. 500,000 rows at most, `too-many-rows`
    otherwise, and one proof at a time (`busy`). Of a decision: whether its records are the stored and signed ones; that
    none was left out, only the chains prove."""
    backend = backend_of(request)
    if decision_id:
        if topic or since:
            raise Problem(422, "invalid", "decision_id stands alone: leave topic and since out")
        return answer(audit.decision_facts(audit.verify_decision(backend, person, decision_id)))
    for name in topic or ():
        if name not in _STORED:
            raise not_found("topic", name)
    begin = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
    return answer(audit.verify_trail(backend, Asked(begin, tuple(topic or ()))))


@router.get(
    "/export",
    summary="The records about a decision and what proves them, as one file",
    response_class=Response,
    responses={200: {"content": {_ZIP: {"schema": {"type": "string", "format": "binary"}}}}},
)
def export(
    request: Request,
    person: Auditor,
    decision_id: Annotated[str, Query(min_length=1, max_length=MAX_ID_BYTES, description="The decision.")],
) -> Response:
    """As `interlock audit export`: whoever has the public key proves it with `interlock audit verify --export`, without
    a server. What is sealed under the key of a subject stays sealed."""
    content = audit.export_decision(backend_of(request), person, decision_id)
    return Response(content, media_type=_ZIP, headers={"Content-Disposition": 'attachment; filename="proof.zip"'})
