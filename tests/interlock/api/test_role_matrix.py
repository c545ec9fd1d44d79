"""Who may do what, over every route of the application, so that no new route is forgotten."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from fastapi.routing import RouteContext, iter_route_contexts
from httpx2 import Response

from interlock.api.access.principal import authenticate, authenticated
from interlock.api.access.roles import ROLES, SCOPES
from interlock.api.access.same_origin import CSRF_HEADER, SAFE_METHODS
from interlock.api.app import create_app
from interlock.console import server
from tests.interlock.api.api_world import World, refusal

# Whoever comes may ask for these: health, the contract, what a page looks like before anybody has logged in. The routes
# below /auth check for themselves; tests/interlock/api/access is about them.
PUBLIC = frozenset(
    {
        "/healthz",
        "/readyz",
        "/v1/openapi.json",
        "/auth/login",
        "/auth/callback",
        "/auth/demo",
        "/auth/logout",
        "/login",
        "/static/{path:path}",
    }
)

# Whoever is known may ask for these: who one is, where to begin, what is halted, and live updates, each kind of which
# needs a scope.
WITHOUT_SCOPE = frozenset({"/v1/me", "/", "/banner", "/v1/events"})

PRODUCER = frozenset({"decisions:write", "decisions:read"})

# What each visitor may do.
VISITORS = {**ROLES, "producer": PRODUCER}


@dataclass(frozen=True)
class Route:
    """`scopes`: what it declares; None where it declares nothing."""

    method: str
    path: str
    scopes: frozenset[str] | None

    @property
    def address(self) -> str:
        """With something for each parameter."""
        return "/".join("x" if part.startswith("{") else part for part in self.path.split("/"))

    @property
    def is_page(self) -> bool:
        return not self.path.startswith(("/v1/", "/metrics"))

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def _declared(dependant: Any) -> frozenset[str] | None:
    """The scopes that a dependency of a route asks for: `Security(authenticated, …)` or the pages' `needs(…)`."""
    found: frozenset[str] | None = None
    for part in dependant.dependencies:
        scopes = _declared(part)
        if part.call is authenticated:
            scopes = frozenset(part.own_oauth_scopes or ())
        elif inspect.isfunction(part.call):
            variables = inspect.getclosurevars(part.call)
            if variables.globals.get("authenticate") is authenticate and "scopes" in variables.nonlocals:
                scopes = frozenset(variables.nonlocals["scopes"])
        if scopes is not None:
            found = scopes | (found or frozenset())
    return found


@cache
def _routes() -> tuple[Route, ...]:
    # Routes need neither a backend nor anybody to ask.
    app = create_app(None, None, server.install)  # type: ignore[arg-type]
    return tuple(sorted(_found(iter_route_contexts(app.routes)), key=str))


def _found(contexts: Iterator[RouteContext]) -> Iterator[Route]:
    for context in contexts:
        dependant = getattr(context, "dependant", None)
        path = context.path or "?"
        for method in sorted((context.methods or set()) - {"HEAD"}):
            yield Route(method, path.replace(":id}", "}"), None if dependant is None else _declared(dependant))


GUARDED = [route for route in _routes() if route.path not in PUBLIC]
UNSAFE = [route for route in GUARDED if route.method not in SAFE_METHODS]
PAGES = [route for route in GUARDED if route.is_page]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With pages. The desk is away, and says so soon."""
    generous = {"requests_per_second": 1e6, "burst": 1_000_000}
    world = World(tmp_path_factory.mktemp("roles"), desk_seconds=0.001, install_pages=server.install, api=generous)
    yield world
    world.close()


@pytest.fixture(scope="module")
def tokens(world: World) -> dict[str, str]:
    """A token of each visitor."""
    people = {role: world.token(f"one-{role}", roles=[role]) for role in ROLES}
    return {**people, "producer": world.token("loans", scopes=PRODUCER)}


def ask(world: World, route: Route, **headers: str) -> Response:
    """Without a body: who may not ask is told so before anybody looks at what was sent."""
    if route.path == "/v1/events":  # it does not end for whoever may listen
        with_nothing = {"last-event-id": "x" * 201}
        return world.client.request(route.method, route.address, headers={**headers, **with_nothing})
    return world.client.request(route.method, route.address, headers=headers)


def test_every_route_is_found_and_says_which_scope_it_needs() -> None:
    assert len(GUARDED) > 60
    assert {route.path for route in _routes()} >= PUBLIC | WITHOUT_SCOPE
    silent = [str(route) for route in GUARDED if not route.scopes and route.path not in WITHOUT_SCOPE]
    assert silent == []
    assert [str(route) for route in GUARDED if not (route.scopes or frozenset()) <= SCOPES.keys()] == []


def test_every_scope_guards_a_route() -> None:
    assert set().union(*(route.scopes or frozenset() for route in GUARDED)) == set(SCOPES)


def test_the_openapi_document_names_the_scopes_of_every_operation() -> None:
    document = create_app(None, None, server.install).openapi()  # type: ignore[arg-type]
    told = {
        (method.upper(), path): frozenset(
            scope for choice in operation.get("security", ()) for scopes in choice.values() for scope in scopes
        )
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    api = {(route.method, route.path): route.scopes or frozenset() for route in GUARDED if not route.is_page}
    assert {place: scopes for place, scopes in told.items() if place[1] not in PUBLIC} == api


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_nobody_comes_in_without_credentials(world: World, route: Route) -> None:
    before = world.contents()
    response = ask(world, route)
    if route.is_page and route.method == "GET":
        assert (response.status_code, response.headers["location"].partition("?")[0]) == (303, "/login")
    else:
        assert refusal(response) == (401, "unauthenticated")
        assert response.headers["www-authenticate"].startswith("Bearer")
    assert world.contents() == before


@pytest.mark.parametrize("visitor", VISITORS)
def test_each_role_is_refused_exactly_where_it_lacks_the_scope(
    world: World, tokens: dict[str, str], visitor: str
) -> None:
    wrong = []
    for route in GUARDED:
        before = world.contents()
        response = ask(world, route, Authorization=f"Bearer {tokens[visitor]}")
        missing = (route.scopes or frozenset()) - VISITORS[visitor]
        is_refused = response.status_code == 403 and (route.is_page or response.json()["code"] == "missing-scope")
        if is_refused != bool(missing) or response.status_code == 401:
            wrong.append(f"{route}: {response.status_code}, lacking {sorted(missing) or 'nothing'}")
        if missing and not route.is_page and response.json()["scope"] not in missing:
            wrong.append(f"{route} names another scope: {response.text}")
        if missing and world.contents() != before:
            wrong.append(f"{route} changed something")
    assert wrong == []


@pytest.mark.parametrize("route", UNSAFE, ids=str)
def test_a_session_changes_nothing_without_its_csrf_token(world: World, route: Route) -> None:
    cookie, csrf = world.log_in("ann", *ROLES)
    _, foreign = world.log_in("ann", *ROLES)
    before = world.contents()
    for headers in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: foreign}, {CSRF_HEADER: "ü"}):
        encoded = {name.encode(): value.encode() for name, value in {"cookie": cookie, **headers}.items()}
        response = world.client.request(route.method, route.address, headers=encoded)
        assert refusal(response) == (403, "csrf"), route
    assert world.contents() == before
    let_in = ask(world, route, cookie=cookie, **{CSRF_HEADER: csrf})
    assert let_in.status_code != 401
    assert "csrf" not in let_in.text


@pytest.mark.parametrize("route", UNSAFE, ids=str)
def test_a_page_of_another_site_changes_nothing_even_with_everything_right(world: World, route: Route) -> None:
    cookie, csrf = world.log_in("ann", *ROLES)
    before = world.contents()
    for origin in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "http://["}):
        response = ask(world, route, cookie=cookie, **{CSRF_HEADER: csrf}, **origin)
        assert refusal(response) == (403, "cross-site")
    assert world.contents() == before


@pytest.mark.parametrize("route", [page for page in PAGES if page.method == "GET"], ids=str)
def test_a_page_says_which_role_opens_it(world: World, route: Route) -> None:
    # A role that somebody took away leaves a session without any.
    cookie, _ = world.log_in("nobody")
    response = ask(world, route, cookie=cookie)
    if route.path == "/banner":
        assert response.status_code == 200
        return
    assert response.status_code == 403
    if route.scopes:
        assert sorted(route.scopes)[0] in response.text
