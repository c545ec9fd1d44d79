"""The demo login: as anybody, and on this machine only."""

import pytest
from structlog.testing import capture_logs

from interlock.platform.settings import ApiSettings, OidcSettings
from tests.interlock.api.access.access_world import Api, World, code

OIDC = OidcSettings(issuer="https://id.example.com", client_id="interlock")


@pytest.fixture
def api(world: World) -> Api:
    return world.api()


@pytest.mark.parametrize(
    ("person", "asked", "roles"),
    [
        ("ann", [], {"reviewer"}),
        ("bob", [], {"reviewer", "lead"}),
        ("ann", ["policy_owner", "admin"], {"reviewer", "policy_owner", "admin"}),
        ("ann", ["lead"], {"reviewer"}),
    ],
)
def test_anybody_of_the_roster_logs_in_with_the_roles_of_the_roster_and_those_asked_for(
    api: Api, person: str, asked: list[str], roles: set[str]
) -> None:
    response = api.browser.post("/auth/demo", data={"person": person, "next": "/queues", "roles[]": asked})
    assert (response.status_code, response.headers["location"]) == (303, "/queues")
    me = api.browser.get("/v1/me").json()
    assert (me["person"], set(me["roles"]), me["demo"]) == (person, roles, True)


def test_who_is_not_in_the_roster_and_what_is_no_role_is_refused(api: Api) -> None:
    assert code(api.browser.post("/auth/demo", data={"person": "eve"})) == (404, "unknown-reviewer")
    boss = {"person": "ann", "roles[]": ["boss"]}
    assert code(api.browser.post("/auth/demo", data=boss)) == (422, "unknown-role")


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_the_login_leads_to_no_other_site(api: Api, wanted: str) -> None:
    response = api.browser.post("/auth/demo", data={"person": "ann", "next": wanted})
    assert response.headers["location"] == "/"


@pytest.mark.parametrize(
    ("settings", "is_local", "on"),
    [
        (ApiSettings(), True, True),
        (ApiSettings(), False, False),
        (ApiSettings(oidc=OIDC), True, False),
        (ApiSettings(demo_login=False), True, False),
        (ApiSettings(demo_login=True), False, True),
        (ApiSettings(demo_login=True, oidc=OIDC), True, True),
    ],
)
def test_it_is_on_where_settings_say_so_or_else_on_a_local_instance_without_openid(
    world: World, settings: ApiSettings, is_local: bool, on: bool
) -> None:
    api = world.api(settings, is_local=is_local)
    assert api.access.demo_login == on
    response = api.browser.post("/auth/demo", data={"person": "ann"})
    assert response.status_code == 303 if on else code(response) == (403, "demo-login-off")


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
def test_it_works_from_this_machine(api: Api, host: str, client: str) -> None:
    browser = api.browser_of(f"http://{host}", client)
    assert browser.post("/auth/demo", data={"person": "ann"}).status_code == 303


@pytest.mark.parametrize(
    ("host", "client", "headers"),
    [
        ("localhost", "192.168.1.7", {}),
        ("127.0.0.1", "10.0.0.1", {}),
        ("evil.example", "127.0.0.1", {}),  # DNS rebinding: the page's own name leads here
        ("evil.example:8080", "::1", {}),
        ("localhost.evil.example", "127.0.0.1", {}),
        ("localhost", "127.0.0.1", {"Host": ""}),
        ("localhost", "127.0.0.1", {"Host": "localhost:80@evil.example"}),
        ("localhost", "127.0.0.1", {"Host": "[::1"}),
        ("localhost", "127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}),
        ("localhost", "127.0.0.1", {"Forwarded": "for=203.0.113.9"}),
        ("localhost", "127.0.0.1", {"Origin": "https://evil.example"}),
        ("localhost", "127.0.0.1", {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_it_works_from_nowhere_else_and_refusals_are_logged(
    api: Api, host: str, client: str, headers: dict[str, str]
) -> None:
    browser = api.browser_of(f"http://{host}", client)
    with capture_logs() as logs:
        response = browser.post("/auth/demo", data={"person": "ann"}, headers=headers)
    assert code(response) == (403, "demo-login-not-local")
    assert "set-cookie" not in response.headers
    assert [(entry["event"], entry["code"]) for entry in logs] == [("refused", "demo-login-not-local")]


def test_a_login_without_openid_leads_to_the_page_of_the_demo_login_or_says_what_to_set(world: World) -> None:
    response = world.api().browser.get("/auth/login", params={"next": "/tasks?a=b"})
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=%2Ftasks%3Fa%3Db")
    response = world.api(is_local=False).browser.get("/auth/login")
    assert code(response) == (503, "no-login")
    assert "INTERLOCK_API__OIDC__ISSUER" in response.json()["detail"]
