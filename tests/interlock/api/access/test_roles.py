"""What each role may do, as a table that was written down beside the code."""

import pytest

from interlock.api.access.roles import ROLES, SCOPES, check_names, scopes_of
from interlock.errors import UsageError
from tests.interlock.api.access.access_world import World, bearer, code

# r: reviewer, l: lead, p: policy_owner, n: analyst, a: admin, u: auditor
MATRIX = {
    "decisions:write": "a",
    "decisions:read": "rlpnau",
    "tasks:read": "rlpa",
    "tasks:write": "rl",
    "policies:read": "rlpnau",
    "policies:write": "pa",
    "proposals:read": "lpnau",
    "proposals:write": "pa",
    "controls:read": "lpau",
    "controls:write": "lpa",
    "dead-letters:read": "a",
    "dead-letters:write": "a",
    "reviewers:read": "lau",
    "reviewers:write": "la",
    "metrics:read": "rlpnau",
    "alerts:read": "rlpnau",
    "alerts:write": "a",
    "system:read": "pnau",
    "audit:read": "au",
    "tokens:write": "a",
}
LETTERS = {"reviewer": "r", "lead": "l", "policy_owner": "p", "analyst": "n", "admin": "a", "auditor": "u"}


def test_the_table_names_every_scope_and_role() -> None:
    assert MATRIX.keys() == SCOPES.keys()
    assert LETTERS.keys() == ROLES.keys()
    assert all(sentence.endswith(".") for sentence in SCOPES.values())


@pytest.mark.parametrize("role", LETTERS)
def test_a_session_of_each_role_may_do_what_the_table_says_and_nothing_else(world: World, role: str) -> None:
    api = world.api()
    browser, session = api.logged_in(roles=(role,))
    for scope, roles in MATRIX.items():
        for response in (
            browser.get(f"/needs/{scope}"),
            browser.post(f"/needs/{scope}", headers=api.csrf(session)),
        ):
            assert response.status_code == (200 if LETTERS[role] in roles else 403), scope


@pytest.mark.parametrize("role", LETTERS)
def test_a_token_of_each_role_may_do_the_same(world: World, role: str) -> None:
    api = world.api()
    token = world.token(roles=(role,))
    world.pass_time()
    for scope, roles in MATRIX.items():
        response = api.browser.post(f"/needs/{scope}", headers=bearer(token))
        assert response.status_code == (200 if LETTERS[role] in roles else 403), scope


def test_a_token_with_scopes_may_do_these_alone(world: World) -> None:
    api = world.api()
    token = world.token("decisions:write", "decisions:read")
    world.pass_time()
    allowed = {
        scope for scope in SCOPES if api.browser.get(f"/needs/{scope}", headers=bearer(token)).status_code == 200
    }
    assert allowed == {"decisions:write", "decisions:read"}


def test_a_refusal_names_the_scope_and_the_roles_that_have_it(world: World) -> None:
    browser, _ = world.api().logged_in()
    response = browser.get("/needs/reviewers:write")
    assert code(response) == (403, "missing-scope")
    assert response.json()["scope"] == "reviewers:write"
    assert response.json()["granted_by"] == ["lead", "admin"]
    assert "roles that have it: lead, admin" in response.json()["detail"]
    assert 'error="insufficient_scope", scope="reviewers:write"' in response.headers["WWW-Authenticate"]


def test_roles_and_scopes_that_do_not_exist_give_nothing_and_are_named() -> None:
    assert scopes_of(["boss"], ["everything:write"]) == frozenset()
    with pytest.raises(UsageError, match=r"no role 'boss'; there are: reviewer, lead"):
        check_names(["boss"])
    with pytest.raises(UsageError, match=r"no scope 'x:y'"):
        check_names([], ["x:y"])
