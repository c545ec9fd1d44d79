"""Bodies of commands: complete, of a bounded size, and JSON that every reader takes, before a route sees them."""

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.api.access.same_origin import SAFE_METHODS
from interlock.api.bodies import JSON, MAX_BODY_BYTES, media_type, read_body
from interlock.api.problems import Problem
from interlock.schemas import json_text

# It reads its bodies by itself: they are larger, and of several forms.
_READS_BY_ITSELF = "/v1/decisions"

_API = "/v1/"

# Read in less time than a thread takes to begin; larger ones keep nobody waiting.
_SMALL_BYTES = 16 * 1024


class CheckedBodies:
    """Answers what no route is to see: too large or too slow bodies, and below `/v1` what is no JSON. Forms of the
    login are left to their routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or scope["path"] == _READS_BY_ITSELF:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await read_body(request, MAX_BODY_BYTES)
            if body and scope["path"].startswith(_API):
                kind = media_type(request)
                if len(body) <= _SMALL_BYTES:
                    _check(kind, body)
                else:
                    await run_in_threadpool(_check, kind, body)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


def _check(kind: str, body: bytes) -> None:
    if kind != JSON:
        raise Problem(415, "unsupported-media-type", f"Content-Type {kind or 'is missing'}: send {JSON}")
    try:
        json_text.parse(body)
    except json_text.JsonError as error:
        raise Problem(400, "malformed", f"the body is not JSON that every reader takes: {error}") from error
