"""What happened to groups of people."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response, Security

from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.fairness import fairness_report
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1", tags=["questions"])

# The scope of proposals, whose evidence tells the same by group. Reviewers lack it on purpose: who knows in which group
# the model errs looks at its people with other eyes.
Reader = Annotated[Principal, Security(authenticated, scopes=["proposals:read"])]

Moment = Annotated[str, Query(max_length=64, description="How long ago (12h, 30d), or a time (UTC).")]


@router.get("/fairness", summary="By group: how much was decided by machine, how often it was wrong, impact ratios")
def fairness(
    request: Request,
    person: Reader,  # noqa: ARG001 - who may
    domain: Annotated[str, Query(max_length=MAX_ID_BYTES, description="Its policy says which groups there are.")],
    since: Moment = "30d",
    until: Moment = "",
) -> Response:
    """The rows of `interlock fairness --json`: one for each model version, attribute and group, and one of everybody,
    whose attribute is empty; by attribute the group first whose automated decisions are wrong beyond doubt. An empty
    `until` is now. 404 `unknown-domain` where no policy in force has the domain."""
    return answer(fairness_report(backend_of(request), domain, since, until))
