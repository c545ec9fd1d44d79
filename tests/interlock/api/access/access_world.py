"""API processes on one Kafka in memory, with a clock that stands still, and requests to them."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Request, Security
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from interlock.api.access import login
from interlock.api.access.access import Access
from interlock.api.access.principal import Principal, authenticated
from interlock.api.access.roles import SCOPES
from interlock.api.access.sessions import RenewSessions, Session, new_session
from interlock.api.access.table import LOOK_SECONDS, AccessTable
from interlock.api.access.tokens import NewToken, create_token
from interlock.api.problems import Problem
from interlock.api.routes import tokens
from interlock.platform.settings import ApiSettings
from interlock.review.roster import person
from interlock.schemas import catalogue
from interlock.streams.memory.broker import MemoryBroker
from interlock.streams.ports import TopicSpec

KEY = bytes(range(0, 64, 2))
START = 1_767_225_600.0
ROSTER = {
    record["id"]: record
    for record in (
        person({"id": "ann", "name": "Ann Lee"}).to_record(),
        person({"id": "bob", "name": "Bob", "role": "lead"}).to_record(),
    )
}
HERE = "http://localhost:8080"


def app_of(access: Access) -> FastAPI:
    """The routes of access, and two for each scope."""
    app = FastAPI()
    app.state.access = access
    app.include_router(login.router)
    app.include_router(tokens.router)
    app.add_middleware(RenewSessions)
    app.add_exception_handler(Problem, _answer)
    for scope in SCOPES:
        route = _needing(scope)
        app.get(f"/needs/{scope}")(route)
        app.post(f"/needs/{scope}")(route)
    return app


def _needing(scope: str) -> Callable[..., str]:
    def route(principal: Annotated[Principal, Security(authenticated, scopes=[scope])]) -> str:
        return principal.person

    return route


def _answer(_: Request, problem: Exception) -> JSONResponse:
    assert isinstance(problem, Problem)
    body = {"code": problem.code, "detail": problem.detail, **problem.extra}
    return JSONResponse(body, problem.status, problem.headers)


class World:
    """Kafka, and the time of all processes."""

    def __init__(self) -> None:
        self.time = START
        self.broker = MemoryBroker()
        topic = catalogue.ACCESS
        self.broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config())])

    def api(self, settings: ApiSettings | None = None, *, is_local: bool = True, key: bytes = KEY) -> "Api":
        """One more API process."""
        return Api(self, settings or ApiSettings(), is_local, key)

    def token(self, *scopes: str, roles: tuple[str, ...] = (), **fields: Any) -> NewToken:
        """A token of ann."""
        return create_token(
            self.broker,
            **{
                "name": "a script",
                "person": "ann",
                "scopes": scopes,
                "roles": roles,
                "created_by": "root",
                "now": self.time,
                **fields,
            },
        )

    def pass_time(self, seconds: float = LOOK_SECONDS) -> None:
        self.time += seconds


class Api:
    """An API process, and a browser of this machine in front of it."""

    def __init__(self, world: World, settings: ApiSettings, is_local: bool, key: bytes) -> None:
        def clock() -> float:
            return world.time

        self.table = AccessTable(world.broker.process(), monotonic=clock)
        self.access = Access(settings, key, self.table, lambda: ROSTER, is_local=is_local, now=clock, monotonic=clock)
        self.app = app_of(self.access)
        self.world = world
        self.browser = self.browser_of()

    def browser_of(self, address: str = HERE, client: str = "127.0.0.1") -> TestClient:
        """Another browser."""
        return TestClient(self.app, address, client=(client, 50_000), follow_redirects=False)

    def logged_in(
        self, person: str = "ann", roles: tuple[str, ...] = ("reviewer",), *, demo: bool = False
    ) -> tuple[TestClient, Session]:
        """A browser with a new session."""
        session = new_session(person, person.title(), roles, self.world.time, demo=demo)
        browser = self.browser_of()
        # The cookie jar knows localhost by this name.
        value = self.access.cookies.value(session, self.world.time)
        browser.cookies.set(self.access.cookies.name, value, "localhost.local")
        return browser, session

    def csrf(self, session: Session) -> dict[str, str]:
        """The header that pages of a session send."""
        return {"X-CSRF-Token": self.access.cookies.csrf_token(session)}


def bearer(token: NewToken | str) -> dict[str, str]:
    """The header with a token."""
    return {"Authorization": f"Bearer {token if isinstance(token, str) else token.text}"}


def code(response: Any) -> tuple[int, str]:
    """Status and code of a refusal."""
    return response.status_code, response.json()["code"]


def cookie_flags(header: str) -> dict[str, str]:
    """The attributes of a Set-Cookie header."""
    parts = [part.strip().partition("=") for part in re.split(";", header)[1:]]
    return {name.lower(): value for name, _, value in parts}
