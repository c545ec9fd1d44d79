"""What a caller is told when something is refused or fails: problem details (RFC 9457), with the codes of the desk."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import KafkaException
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from interlock.client.client import DeliveryError
from interlock.client.result import NotDecidedError
from interlock.errors import InterlockError, UnavailableError, UsageError
from interlock.platform.printing import visible_json
from interlock.policies.honouring import UnhonouredPackError
from interlock.policies.publishing import (
    DomainTakenError,
    QueueTakenError,
    SamePersonError,
    StalePolicyError,
    TrialDemandedError,
    UnknownScopeError,
)
from interlock.policies.replay import NothingToReplayError
from interlock.policies.requests import UnchangedPolicyError
from interlock.policies.signing import DecidedProposalError, UnknownProposalError
from interlock.policies.trials import CandidateStandsError, NoCandidateError, TrialTooShortError
from interlock.review.desk_connection import CommandRefusedError, DeskUnavailableError
from interlock.streams.turns import TurnLostError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# For the OpenAPI document: every route may answer so.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, description in {
        "4XX": "The request is refused: `code` and `detail` say why, and nothing was changed.",
        "5XX": "Kafka, ClickHouse or the desk does not answer: ask again after `Retry-After` seconds.",
    }.items()
}

# A broker or a desk that restarts is back within some seconds.
RETRY_SECONDS = 5

# What the desk refuses. The state of the task speaks against it: 409; the person may not: 403; the form is wrong: 422.
STATUS_OF_CODE: Mapping[str, int] = {
    **dict.fromkeys(
        (
            "already-decided",
            "at-capacity",
            "case-full",
            "command-id-used",
            "held-by-another",
            "lease-expired",
            "not-decided",
            "not-held",
            "not-sync",
            "not-working-hours",
            "off-duty",
            "window-closed",
            "wrong-epoch",
        ),
        409,
    ),
    **dict.fromkeys(("excluded", "not-lead", "not-qualified", "same-person", "unknown-reviewer", "wrong-queue"), 403),
    **dict.fromkeys(("nothing-to-do", "unknown-task"), 404),
    "stale-view": 412,
}
_OF_FORM = 422

# What owners and operators are refused, by the error of the library.
_OF_OWNERS: Mapping[type[InterlockError], tuple[int, str]] = {
    CandidateStandsError: (409, "candidate-stands"),
    DecidedProposalError: (409, "already-decided"),
    DomainTakenError: (409, "domain-taken"),
    NothingToReplayError: (409, "nothing-to-replay"),
    NoCandidateError: (404, "unknown-candidate"),
    QueueTakenError: (409, "queue-taken"),
    UnhonouredPackError: (409, "pack-not-honoured"),
    SamePersonError: (409, "same-person"),
    StalePolicyError: (412, "stale-policy"),
    TrialDemandedError: (409, "trial-demanded"),
    TurnLostError: (409, "changed-meanwhile"),
    UnchangedPolicyError: (409, "unchanged"),
    UnknownProposalError: (404, "unknown-proposal"),
    UnknownScopeError: (_OF_FORM, "unknown-scope"),
}


class Problem(InterlockError):
    """A refusal with its HTTP status, a stable `code`, and a sentence for people. `extra`: further members."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def response(self) -> Response:
        """As it is sent."""
        body = {
            "type": f"urn:interlock:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }
        return Response(visible_json(body), self.status, self.headers, MEDIA_TYPE)


def problem_of(error: Exception) -> Problem:
    """The problem that an error of the libraries is to a caller."""
    later = {"Retry-After": str(RETRY_SECONDS)}
    match error:
        case Problem():
            return error
        case CommandRefusedError():
            return Problem(STATUS_OF_CODE.get(error.code, _OF_FORM), error.code, error.reply.message)
        case DeskUnavailableError():
            return Problem(503, "desk-unavailable", str(error), headers=later, command_id=error.command_id)
        case DeliveryError():
            return Problem(503, "not-delivered", str(error), headers=later, decision_ids=error.decision_ids)
        case NotDecidedError():
            status = 409 if error.code == "contradiction" else _OF_FORM
            if error.code in ("not-listening", "no-answer", "closed"):
                status = 503
            return Problem(status, error.code, str(error), headers=later if status == 503 else None)
        case UnavailableError():
            return Problem(503, "unavailable", str(error), headers=later)
        case KafkaException():
            return Problem(503, "kafka-unavailable", f"Kafka does not answer: {error.args[0].str()}", headers=later)
        case UsageError():
            return Problem(_OF_FORM, "invalid", str(error))
        case TrialTooShortError():
            return Problem(409, "trial-too-short", str(error), missing=error.missing)
        case InterlockError() if type(error) in _OF_OWNERS:
            return Problem(*_OF_OWNERS[type(error)], str(error))
        case InterlockError():
            return Problem(409, "refused", str(error))
        case ClickHouseError():
            reason = str(error).strip().splitlines()[0][:500]
            return Problem(503, "clickhouse-unavailable", f"ClickHouse does not answer: {reason}", headers=later)
    log.error("a request failed", exc_info=error)
    return Problem(500, "internal", "the server failed; its log says how")


def not_found(what: str, name: str) -> Problem:
    """There is no such thing."""
    return Problem(404, f"unknown-{what}", f"there is no {what} {name!r}")


def install(app: FastAPI) -> None:
    """Answers every error of `app` with a problem, as `app.state.show_problem` shows it if there is one."""

    if not hasattr(app.state, "show_problem"):
        app.state.show_problem = _as_json

    def shown(request: Request, problem: Problem) -> Response:
        response: Response = request.app.state.show_problem(request, problem)
        return response

    # Pages that show a problem read tables, and so wait for locks.
    async def of_error(request: Request, error: Exception) -> Response:
        return await run_in_threadpool(shown, request, problem_of(error))

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        detail = f"{request.method} {request.url.path}: {error.detail}"
        return await run_in_threadpool(shown, request, Problem(error.status_code, code, detail, headers=error.headers))

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        errors = [field_error(detail) for detail in error.errors()[:_MAX_ERRORS]]
        first = errors[0]
        problem = Problem(_OF_FORM, "invalid", f"{first['field']}: {first['message']}", errors=errors)
        return await run_in_threadpool(shown, request, problem)

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    for kind in (InterlockError, KafkaException, ClickHouseError, Exception):
        app.add_exception_handler(kind, of_error)


def _as_json(request: Request, problem: Problem) -> Response:  # noqa: ARG001
    return problem.response()


# More than a person reads.
_MAX_ERRORS = 100


def field_error(detail: Mapping[str, Any]) -> dict[str, str]:
    """One error of pydantic as field and message."""
    place = [str(part) for part in detail["loc"]]
    if len(place) > 1 and place[0] in ("body", "query", "path", "header"):
        place = place[1:]
    return {"field": ".".join(place) or "body", "message": str(detail["msg"]).removeprefix("Value error, ")}
