"""Tokens over HTTP: made, listed and revoked by those who may."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.interlock.api.access.access_world import Api, World, bearer, code


@pytest.fixture
def api(world: World) -> Api:
    return world.api()


def made(api: Api, own_roles: tuple[str, ...] = ("admin",), **fields: Any) -> Any:
    """What POST /v1/tokens answers to ann."""
    browser, session = api.logged_in(roles=own_roles)
    wanted = {"name": "loan service", "scopes": ["decisions:write"], **fields}
    return browser.post("/v1/tokens", json=wanted, headers=api.csrf(session))


def test_a_new_token_works_at_once_is_shown_once_and_ends_when_it_is_revoked(api: Api) -> None:
    token = made(api, person="loans", days=7).json()
    assert api.browser.post("/needs/decisions:write", headers=bearer(token["token"])).json() == "loans"
    browser, session = api.logged_in(roles=("admin",))
    (listed,) = browser.get("/v1/tokens").json()["items"]
    assert listed == {key: value for key, value in token.items() if key != "token"}
    assert "hash" not in listed
    assert (listed["state"], listed["created_by"], listed["person"]) == ("active", "ann", "loans")
    ended = browser.delete(f"/v1/tokens/{token['id']}", headers=api.csrf(session)).json()
    assert (ended["state"], ended["revoked_by"]) == ("revoked", "ann")
    assert code(api.browser.post("/needs/decisions:write", headers=bearer(token["token"]))) == (401, "token-revoked")
    assert code(browser.delete("/v1/tokens/unknown", headers=api.csrf(session))) == (404, "unknown-token")


@pytest.mark.parametrize("role", ["reviewer", "lead", "policy_owner", "analyst"])
def test_only_administrators_make_list_and_revoke_tokens(api: Api, role: str) -> None:
    assert code(made(api, (role,))) == (403, "missing-scope")
    browser, session = api.logged_in(roles=(role,))
    assert code(browser.get("/v1/tokens")) == (403, "missing-scope")
    assert code(browser.delete("/v1/tokens/x", headers=api.csrf(session))) == (403, "missing-scope")


@pytest.mark.parametrize("more", [{"scopes": ["tasks:write"]}, {"roles": ["reviewer"]}, {"roles": ["lead"]}])
def test_nobody_gives_a_token_more_than_they_have(api: Api, more: dict[str, Any]) -> None:
    response = made(api, **more)
    assert code(response) == (403, "missing-scope")
    assert response.json()["scope"] == "tasks:write"
    assert made(api, ("admin", "lead"), **more).status_code == 201


def test_a_token_with_fewer_scopes_makes_none_with_more(world: World, api: Api) -> None:
    token = world.token("tokens:write", "decisions:read")
    world.pass_time()
    wanted = {"name": "n", "scopes": ["decisions:read", "decisions:write"]}
    response = api.browser.post("/v1/tokens", json=wanted, headers=bearer(token))
    assert (code(response), response.json()["scope"]) == ((403, "missing-scope"), "decisions:write")
    wanted["scopes"] = ["decisions:read"]
    assert api.browser.post("/v1/tokens", json=wanted, headers=bearer(token)).json()["person"] == "ann"


@pytest.mark.parametrize("scope", ["policies:write", "proposals:write"])
def test_nobody_signs_with_a_token_in_the_name_of_somebody_else(api: Api, scope: str) -> None:
    assert code(made(api, person="bob", scopes=[scope])) == (403, "not-yourself")
    assert made(api, person="ann", scopes=[scope]).status_code == 201


@pytest.mark.parametrize(
    "fields",
    [{"scopes": []}, {"scopes": ["x:y"]}, {"roles": ["boss"]}, {"days": 0}, {"name": ""}, {"colour": "red"}],
)
def test_a_request_that_makes_no_sense_changes_nothing(api: Api, fields: dict[str, Any]) -> None:
    assert made(api, **fields).status_code == 422
    assert api.logged_in(roles=("admin",))[0].get("/v1/tokens").json() == {"items": []}


def test_everybody_learns_who_they_are(world: World, api: Api) -> None:
    token = world.token("decisions:read", name="nightly")
    world.pass_time()
    assert api.browser.get("/v1/me", headers=bearer(token)).json() == {
        "person": "ann",
        "name": "nightly",
        "kind": "token",
        "roles": [],
        "scopes": ["decisions:read"],
        "demo": True,
        "csrf_token": "",
    }
    browser, session = api.logged_in("bob", ("lead",))
    me = browser.get("/v1/me").json()
    assert (me["person"], me["kind"], me["roles"]) == ("bob", "session", ["lead"])
    assert me["csrf_token"] == api.csrf(session)["X-CSRF-Token"]


def test_every_refusal_and_every_write_is_logged_with_the_person(world: World, api: Api) -> None:
    token = world.token("decisions:read", "controls:write")
    world.pass_time()
    with capture_logs() as logs:
        api.browser.get("/needs/tasks:write", headers=bearer(token))
        api.browser.post("/needs/controls:write", headers=bearer(token))
        api.browser.get("/needs/decisions:read", headers=bearer(token))
        api.browser.post("/needs/tasks:write?secret=1")
    logged = [{key: entry[key] for key in entry if key != "log_level"} for entry in logs]
    assert logged == [
        {
            **{"event": "refused", "person": "ann", "scope": "tasks:write", "method": "GET"},
            **{"path": "/needs/tasks:write", "code": "missing-scope"},
        },
        {
            **{"event": "write", "person": "ann", "kind": "token", "method": "POST"},
            "path": "/needs/controls:write",
        },
        {
            **{"event": "refused", "person": "", "scope": "tasks:write", "method": "POST"},
            **{"path": "/needs/tasks:write", "code": "unauthenticated"},
        },
    ]


def test_the_openapi_document_names_the_scope_of_every_route(api: Api) -> None:
    document = api.app.openapi()
    assert document["paths"]["/needs/tasks:write"]["get"]["security"] == [
        {"token": ["tasks:write"]},
        {"session": ["tasks:write"]},
    ]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
