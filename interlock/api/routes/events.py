"""Live updates as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request, Security
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from interlock.api.access.principal import Principal, authenticate, authenticated
from interlock.api.backend import backend_of
from interlock.api.feed import Feed, advanced, as_text, from_text
from interlock.api.problems import Problem
from interlock.platform.printing import visible_json

router = APIRouter(prefix="/v1", tags=["events"])

# Proxies end connections that are silent for half a minute, and a dead client is noticed by what it does not take.
_HEARTBEAT_SECONDS = 15.0

# How long a browser waits before it connects again.
_RETRY_MILLISECONDS = 1000

# Which scope a person needs to be told of a change.
_SCOPE_OF_KIND = {
    "task": "tasks:read",
    "presence": "tasks:read",
    # What is halted stands on every page.
    "control": "",
    "alert": "alerts:read",
    "proposal": "proposals:read",
    "policy": "policies:read",
    "viewing": "tasks:read",
}


@router.get("/events", summary="Live updates", response_class=StreamingResponse)
async def events(
    request: Request,
    person: Annotated[Principal, Security(authenticated, scopes=[])],
    last_event_id: Annotated[str | None, Header(max_length=200, description="Where to go on.")] = None,
) -> StreamingResponse:
    """Server-sent events: task, presence, control, alert, proposal, policy and viewing. The id of an event is a place
    in the topics, so any process goes on there (`Last-Event-ID`). `reset`: too much was missed, read all anew."""
    feed = backend_of(request).board.feed
    place = from_text(last_event_id or "")
    stream = _stream(request, feed, feed.place if place is None else place, person)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def _still_allowed(request: Request) -> bool:
    try:
        authenticate(request)
    except Problem:
        return False
    return True


async def _stream(request: Request, feed: Feed, place: tuple[int, ...], person: Principal) -> AsyncIterator[str]:
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    checked = loop.time()
    end = feed.listen(lambda: loop.call_soon_threadsafe(changed.set))
    try:
        yield f"retry: {_RETRY_MILLISECONDS}\nid: {as_text(place)}\nevent: hello\ndata: {{}}\n\n"
        while not await request.is_disconnected():
            changed.clear()
            changes = await run_in_threadpool(feed.since, place)
            if changes is None:
                place = feed.place
                yield f"id: {as_text(place)}\nevent: reset\ndata: {{}}\n\n"
                continue
            lines = []
            for change in changes:
                place = advanced(place, change)
                scope = _SCOPE_OF_KIND[change.kind]
                if not scope or scope in person.scopes:
                    data = visible_json(change.facts)
                    lines.append(f"id: {as_text(place)}\nevent: {change.kind}\ndata: {data}\n\n")
            if lines:
                yield "".join(lines)
            try:
                await asyncio.wait_for(changed.wait(), _HEARTBEAT_SECONDS)
            except TimeoutError:
                yield ": alive\n\n"
            # A session that was ended meanwhile ends its stream too, however much there is to tell.
            if loop.time() - checked >= _HEARTBEAT_SECONDS:
                if not await run_in_threadpool(_still_allowed, request):
                    return
                checked = loop.time()
    finally:
        end()
