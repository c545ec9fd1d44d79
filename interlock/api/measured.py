"""Counts and times requests."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.streams.metrics import Metrics

# Requests that wait on purpose: their duration says nothing about the server.
_WAITING = ("/v1/events", "/v1/decisions/{decision_id:id}/resolution")


class Measured:
    """The outermost middleware, so that its time is what callers see of the server."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._open = 0
        metrics.expose("http_open", "http_seconds")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._count(1)
        try:
            await self._app(scope, receive, noted)
        finally:
            self._count(-1)
            # Routes and not paths: ids would make a series of each decision.
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.add("http_requests", method=scope["method"], route=route, status=str(status))
            if route not in _WAITING and b"wait=" not in scope["query_string"]:
                self._metrics.observe("http_seconds", time.perf_counter() - started)

    def _count(self, change: int) -> None:
        self._open += change
        self._metrics.set("http_open", self._open)
