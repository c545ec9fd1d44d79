"""What producers do: submit decisions, wait for what becomes of them, and read their story."""

import asyncio
from concurrent.futures import Future
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response, Security
from fastapi.responses import HTMLResponse
from starlette.concurrency import run_in_threadpool

from interlock.api import shapes
from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.blindness import check_not_blind
from interlock.api.bodies import AVRO, JSON_LINES, read_decisions
from interlock.api.explanation import explanation_of
from interlock.api.notices import notices_about
from interlock.api.problems import Problem, not_found
from interlock.api.story import story_of
from interlock.client.client import Client
from interlock.client.result import DecisionResult, NotDecidedError
from interlock.explanations.page import content_security_policy, fingerprint, page
from interlock.review.desk_connection import Reply
from interlock.schemas.headers import MAX_CALLER_SECONDS, caller_headers
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1/decisions", tags=["decisions"])

# Proxies and load balancers end a request that is silent for a minute.
MAX_WAIT_SECONDS = 55.0

# How soon a caller should ask again who was told "pending".
_ASK_AGAIN_SECONDS = 1

# A lookup takes some tens of milliseconds, more while many are under way.
_LOOKUP_SECONDS = 2.0

# How soon it is noticed that a waiting caller has hung up.
_CHECK_SECONDS = 5.0

Wait = Annotated[
    float,
    Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait before the answer is `pending`."),
]
DecisionId = Annotated[str, Path(description="Id of the decision.", max_length=MAX_ID_BYTES)]
Producer = Annotated[Principal, Security(authenticated, scopes=["decisions:write"])]
Reader = Annotated[Principal, Security(authenticated, scopes=["decisions:read"])]

_EXAMPLE = {
    "decision_id": "loan-42",
    "domain": "loan_approval",
    "model_id": "german-credit",
    "model_version": "1",
    "prediction": "approve",
    "confidence": 0.87,
    "created_at": "2026-01-31T12:00:00Z",
    "amount": 4200,
    "attributes": {"duration": "24", "purpose": "car"},
    "input": {"savings": 1200, "employed_years": 4},
    "explanation": {
        "top_features": [{"feature": "duration", "value": "24", "importance": 0.4}],
        "reasoning": "short duration, steady income",
    },
}

_BODY = {
    "requestBody": {
        "required": True,
        "description": "One decision as JSON; several as JSON Lines or as an Avro object container file; or one record "
        "of `Decision` in Confluent's wire format.",
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/Decision"}, "example": _EXAMPLE},
            **{kind: {"schema": {"type": "string", "description": "A decision on each line."}} for kind in JSON_LINES},
            AVRO: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "",
    summary="Submit one or many decisions",
    openapi_extra=_BODY,
    status_code=202,
    response_model=shapes.Accepted | shapes.Pending,
    responses={200: {"model": DecisionResult, "description": "The resolution, with `wait`."}},
)
async def submit(
    request: Request,
    person: Producer,
    wait: Wait = 0,
    give_up_after: Annotated[
        float | None,
        Query(ge=0, le=MAX_CALLER_SECONDS, description="Seconds after which the policy's on_timeout applies."),
    ] = None,
) -> Response:
    """Answers when Kafka has all of them: 202 with their ids. Invalid ones: 422, and nothing was sent.

    The id identifies a repetition: the same decision may be sent again after any error. With `wait`, which takes one
    decision, the answer is 200 with its resolution, or 202 and `pending`: ask `/resolution` again then. Who submits a
    decision is its caller, who may `/expire` a sync review. `give_up_after`: for how long that caller waits in all,
    over any number of requests; the waiting then ends also if the caller does not come back.
    """
    backend = backend_of(request)
    decisions, several = await read_decisions(request)
    if wait and len(decisions) > 1:
        raise Problem(422, "invalid", "wait takes a single decision: submit the batch, then ask for each resolution")
    headers = [*_passed_on(request), *caller_headers(person.person, give_up_after)]
    await run_in_threadpool(backend.client.submit_many, decisions, headers)
    if wait:
        return await _resolution(request, backend.client, decisions[0].decision_id, wait, 0)
    first = decisions[0].decision_id
    facts = {"accepted": len(decisions)} if several else {"accepted": 1, "decision_id": first}
    return answer(facts, 202, {} if several else {"Location": _path(request, first)})


@router.get(
    "/{decision_id:id}/resolution",
    summary="What holds for a decision, waiting for it if asked to",
    response_model=DecisionResult,
    responses={202: {"model": shapes.Pending, "description": "There is none yet."}},
)
async def resolution(
    request: Request,
    person: Reader,
    decision_id: DecisionId,
    wait: Wait = 0,
    after_version: Annotated[int, Query(ge=0, description="Only a later version counts, such as an override.")] = 0,
    final: Annotated[bool, Query(description="Only one counts that nobody can override any more.")] = False,
) -> Response:
    """200 with the resolution; 202 `pending` after `wait` seconds without one. Ask again as often as needed: whatever
    was restarted meanwhile, the resolution is found."""
    backend = backend_of(request)
    check_not_blind(backend.board, person, decision_id)
    return await _resolution(request, backend.client, decision_id, wait, after_version, final=final)


@router.post(
    "/{decision_id:id}/expire", summary="Give up waiting: the policy's on_timeout applies", response_model=Reply
)
def expire(request: Request, person: Producer, decision_id: DecisionId) -> Response:
    """For the caller of a sync review. The reply of the desk says what holds now; a verdict that came first stands."""
    return answer(asdict(backend_of(request).desk_of(person.person).expire(decision_id)))


@router.get("/{decision_id:id}", summary="A decision and its whole story", response_model=shapes.Story)
def story(request: Request, person: Reader, decision_id: DecisionId) -> Response:
    """From its arrival to the final word: every event with actor and version, the resolution, the task. What cannot be
    read at present is named in `unavailable`: for who may judge it the timeline too, until somebody has decided."""
    backend = backend_of(request)
    facts = story_of(backend, person, decision_id)
    if facts is None:
        raise not_found("decision", decision_id)
    return answer(facts)


@router.get(
    "/{decision_id:id}/explanation",
    summary="A decision explained in words",
    response_model=shapes.Explained | shapes.ExplainedToSubject,
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
def explanation(
    request: Request,
    person: Reader,
    decision_id: DecisionId,
    reader: Annotated[
        Literal["auditor", "subject"],
        Query(alias="for", description="`subject`: the short form for the person concerned, without names."),
    ] = "auditor",
    format: Annotated[
        Literal["json", "html"], Query(description="`html`: one file that needs nothing else, to be kept or printed.")
    ] = "json",
    as_of: Annotated[datetime | None, Query(description="As it stood then; UTC where no zone is given.")] = None,
) -> Response:
    """Rules with the values that made them hold, what people were shown, who decided and why, effects, deadlines. The
    same record gives the same explanation; its fingerprint is the ETag. Refused to whoever may judge the decision while
    nobody has decided it."""
    told = explanation_of(backend_of(request), person, decision_id, as_of=as_of, for_subject=reader == "subject")
    tag = {"ETag": f'"{fingerprint(told)}"'}
    if format == "json":
        return answer(told.facts(), headers=tag)
    headers = {
        **tag,
        "Content-Security-Policy": content_security_policy(),
        "Content-Disposition": 'attachment; filename="explanation.html"',
    }
    return HTMLResponse(page(told), headers=headers)


@router.get(
    "/{decision_id:id}/notices",
    summary="What the subject of a decision was told, and what is due",
    response_model=shapes.Notices,
)
def notices(request: Request, person: Reader, decision_id: DecisionId) -> Response:
    """The texts as they were sent, each written again from the record: `again` says whether the bytes are the same.
    `unwritten` names what is due and has no text. Refused to whoever may judge the decision while nobody has decided
    it."""
    return answer(notices_about(backend_of(request), person, decision_id))


async def _resolution(
    request: Request, client: Client, decision_id: str, wait: float, after_version: int, *, final: bool = False
) -> Response:
    if not wait and not after_version:
        found = await run_in_threadpool(client.resolution, decision_id)
        return _pending(decision_id) if found is None or found.final < final else answer(asdict(found))
    future = await run_in_threadpool(
        client.resolution_future, decision_id, wait or _LOOKUP_SECONDS, after_version=after_version, final=final
    )
    try:
        return answer(asdict(await _until_done(request, future)))
    except NotDecidedError as error:
        if error.code != "still-open":
            raise
        return _pending(decision_id)
    finally:
        future.cancel()


def _pending(decision_id: str) -> Response:
    facts = {"decision_id": decision_id, "status": "pending", "retry_after": _ASK_AGAIN_SECONDS}
    return answer(facts, 202, {"Retry-After": str(_ASK_AGAIN_SECONDS)})


async def _until_done(request: Request, future: "Future[DecisionResult]") -> DecisionResult:
    """The result, or its error. Raises Problem if the caller hangs up first."""
    waiting = asyncio.wrap_future(future)
    while True:
        done, _ = await asyncio.wait({waiting}, timeout=_CHECK_SECONDS)
        if done:
            return waiting.result()
        if await request.is_disconnected():
            waiting.cancel()
            raise Problem(400, "disconnected", "the caller hung up")


def _passed_on(request: Request) -> list[tuple[str, str | bytes | None]]:
    """The headers that go with the decision through the whole pipeline."""
    names = ("traceparent", "tracestate")
    return [(name, request.headers[name]) for name in names if name in request.headers]


def _path(request: Request, decision_id: str) -> str:
    return str(request.app.url_path_for("story", decision_id=decision_id))
