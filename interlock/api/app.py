"""The application: routes, middleware, error handling, the OpenAPI document."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.api import problems
from interlock.api.access import login
from interlock.api.access.access import Access
from interlock.api.access.sessions import RenewSessions
from interlock.api.backend import Backend
from interlock.api.checked_bodies import CheckedBodies
from interlock.api.ids import UndecodedPaths
from interlock.api.measured import Measured
from interlock.api.routes import (
    alerts,
    audit,
    bulk,
    controls,
    dead_letters,
    decisions,
    events,
    fairness,
    packs,
    policies,
    policy_trials,
    proposals,
    questions,
    reviewers,
    system,
    tasks,
    tokens,
    viewing,
)
from interlock.api.shapes import ProblemDetails
from interlock.schemas.models import Decision
from interlock.streams.metrics import Metrics

# The version of the contract, not of the product: the first number changes with `/v1`.
API_VERSION = "1.0.0"

# A request that waits for the desk holds a thread: two hundred reviewers may ask within the same second.
THREADS = 256

# `bulk` before `tasks`, which would take "bulk" for the id of a task.
ROUTERS = (
    decisions.router,
    bulk.router,
    viewing.router,
    tasks.router,
    questions.router,
    fairness.router,
    policy_trials.router,
    policies.router,
    packs.router,
    proposals.router,
    controls.router,
    dead_letters.router,
    reviewers.router,
    alerts.router,
    audit.router,
    events.router,
    tokens.router,
    login.router,
    system.router,
)

# FastAPI builds the handlers of an included router when it is first asked: here once for all applications of a process.
_EVERYTHING = APIRouter()
for _router in ROUTERS:
    _EVERYTHING.include_router(_router, responses=problems.PROBLEMS)

_DESCRIPTION = """Everything that producers, reviewers, owners and operators do with Interlock.

Errors are problem details (RFC 9457) with a stable `code`. Commands take an `Idempotency-Key`; repeated under the same
key they are carried out once."""


def create_app(backend: Backend, access: Access, install_pages: Callable[[FastAPI], None] = lambda _: None) -> FastAPI:
    """The API; `install_pages` adds the console. The caller closes `backend`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        title="Interlock",
        version=API_VERSION,
        description=_DESCRIPTION,
        openapi_url="/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.backend = backend
    app.state.access = access
    app.state.metrics = Metrics("api")
    app.router.routes.extend(_EVERYTHING.routes)
    install_pages(app)
    problems.install(app)
    app.add_middleware(RenewSessions)
    app.add_middleware(CheckedBodies)
    app.add_middleware(UndecodedPaths)
    app.add_middleware(_Headers)
    app.add_middleware(Measured, metrics=app.state.metrics)
    _describe_decision(app)
    return app


class _Headers:
    """What every answer carries: it is not to be sniffed, framed or kept."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *((n, v) for n, v in _SECURITY if n not in names)]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


def _describe_decision(app: FastAPI) -> None:
    """Adds the schemas of problems and of a decision to the OpenAPI document: its body is read by hand."""
    describe: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = describe()
            # Its parts under names of their own: what reviewers are shown has an explanation and a history too.
            schema = Decision.model_json_schema(ref_template="#/components/schemas/Decision{model}")
            parts = {f"Decision{name}": part for name, part in schema.pop("$defs", {}).items()}
            problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
            parts |= problem.pop("$defs", {})
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update({**parts, "Decision": schema, "Problem": problem})
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
