"""OpenID Connect against a real provider, over real HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import httpx
import pytest
import uvicorn
from structlog.testing import capture_logs

from interlock.api.access.access import Access
from interlock.api.access.oidc import Attempt, OidcProvider
from interlock.api.access.sessions import sign, signer
from interlock.api.access.table import AccessTable
from interlock.api.problems import Problem
from interlock.platform.settings import ApiSettings, OidcSettings
from interlock.streams.embedded_kafka.settings import free_port
from tests.interlock.api.access.access_world import KEY, ROSTER, World, app_of
from tests.interlock.api.access.running_provider import SECRETS, follow, provider


class Site(NamedTuple):
    """An API that runs, and its provider."""

    address: str
    access: Access
    issuer: str
    clock: list[float]  # seconds that its clock is ahead

    @property
    def callback(self) -> str:
        return f"{self.address}/auth/callback"


@pytest.fixture(scope="module", params=["id_token", "userinfo"])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    clock = [0.0]
    with provider(f"{address}/auth/callback", request.param) as issuer:
        access = Access(
            ApiSettings(oidc=settings_of(issuer)),
            KEY,
            AccessTable(World().broker),
            lambda: ROSTER,
            now=lambda: time.time() + clock[0],
        )
        server = uvicorn.Server(uvicorn.Config(app_of(access), port=port, log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
        yield Site(address, access, issuer, clock)
        server.should_exit = True
        thread.join()
        access.close()


def settings_of(issuer: str, client: str = "interlock") -> OidcSettings:
    return OidcSettings.model_validate({"issuer": issuer, "client_id": client, "client_secret": SECRETS[client]})


@pytest.fixture
def browser(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.address) as client:
        yield client


def at_callback(site: Site, browser: httpx.Client, person: str = "ann", next_path: str = "/queues") -> str:
    """The address to which the provider sends the browser after a login."""
    start = f"{site.address}/auth/login?{urlencode({'next': next_path})}"
    return follow(browser, start, person, site.callback)


def attempt_of(site: Site, browser: httpx.Client) -> dict[str, Any]:
    """What the API keeps of the login in the browser."""
    fields: dict[str, Any] = signer(KEY, "login").loads(browser.cookies[cookie_name(site)])
    return fields


def change_attempt(site: Site, browser: httpx.Client, **fields: Any) -> None:
    changed = sign(signer(KEY, "login"), {**attempt_of(site, browser), **fields})
    browser.cookies.delete(cookie_name(site))
    browser.cookies.set(cookie_name(site), changed, "127.0.0.1", "/auth")


def cookie_name(site: Site) -> str:
    return site.access.cookies.name.replace("session", "login")


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert "interlock_session" not in response.headers.get("set-cookie", "")
    return response.status_code, response.json()["code"]


def test_a_person_logs_in_is_known_with_their_roles_and_logs_out(site: Site, browser: httpx.Client) -> None:
    assert browser.get("/v1/me").status_code == 401
    with capture_logs() as logs:
        arrived = browser.get(at_callback(site, browser))
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/queues")
    assert cookie_name(site) not in browser.cookies
    assert [entry["roles"] for entry in logs if entry["event"].startswith("roles that")] == [["janitor"]]
    me = browser.get("/v1/me").json()
    assert (me["person"], me["name"], me["roles"], me["demo"]) == ("ann", "Ann Lee", ["lead", "reviewer"], False)
    assert "tasks:write" in me["scopes"]
    session = {site.access.cookies.name: browser.cookies[site.access.cookies.name]}
    csrf = {"X-CSRF-Token": me["csrf_token"]}
    assert browser.post("/needs/tasks:write", headers=csrf).json() == "ann"
    assert browser.post("/auth/logout", headers=csrf).status_code == 303
    assert browser.get("/v1/me").json()["code"] == "unauthenticated"
    with httpx.Client(base_url=site.address, cookies=session) as thief:
        assert thief.get("/v1/me").json()["code"] == "session-revoked"


def test_the_login_asks_for_a_code_with_state_nonce_and_pkce(site: Site, browser: httpx.Client) -> None:
    response = browser.get("/auth/login")
    query = {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}
    attempt = attempt_of(site, browser)
    assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
    assert (query["state"], query["nonce"]) == (attempt["state"], attempt["nonce"])
    assert attempt["verifier"] not in response.headers["location"]
    assert query["redirect_uri"] == site.callback
    assert response.headers["set-cookie"].endswith("Path=/auth; HttpOnly; SameSite=Lax")


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example"])
def test_a_login_leads_to_no_other_site(site: Site, browser: httpx.Client, wanted: str) -> None:
    assert browser.get(at_callback(site, browser, next_path=wanted)).headers["location"] == "/"


def test_an_answer_with_another_state_or_in_another_browser_is_refused(site: Site, browser: httpx.Client) -> None:
    url = at_callback(site, browser)
    parts = urlsplit(url)
    query = {**parse_qs(parts.query), "state": ["guess"]}
    forged = urlunsplit(parts._replace(query=urlencode(query, doseq=True)))
    assert refusal(browser.get(forged)) == (400, "login-state")
    foreign = urlunsplit(parts._replace(query=urlencode({**parse_qs(parts.query), "iss": ["https://x"]}, doseq=True)))
    assert refusal(browser.get(foreign)) == (400, "login-state")
    with httpx.Client() as other:
        assert refusal(other.get(url)) == (400, "login-state")
    assert browser.get(url).status_code == 303


@pytest.mark.parametrize("field", ["nonce", "verifier"])
def test_a_code_of_another_login_is_refused(site: Site, browser: httpx.Client, field: str) -> None:
    url = at_callback(site, browser)
    change_attempt(site, browser, **{field: "x" * 43})
    response = browser.get(url)
    assert refusal(response) == (401, "login-refused")
    assert {"nonce": "nonce", "verifier": "invalid_grant"}[field] in response.json()["detail"]


def test_a_code_is_good_once(site: Site, browser: httpx.Client) -> None:
    url = at_callback(site, browser)
    attempt = browser.cookies[cookie_name(site)]
    assert browser.get(url).status_code == 303
    with httpx.Client(cookies={cookie_name(site): attempt}) as second:
        assert refusal(second.get(url)) == (401, "login-refused")


def test_an_id_token_that_has_expired_and_a_login_that_took_too_long_are_refused(
    site: Site, browser: httpx.Client
) -> None:
    url = at_callback(site, browser)
    site.clock[0] = 2 * 3600.0
    try:
        assert refusal(browser.get(url)) == (400, "login-state")
        change_attempt(site, browser, began=time.time() + site.clock[0])
        response = browser.get(url)
        assert refusal(response) == (401, "login-refused")
        assert "expired" in response.json()["detail"]
    finally:
        site.clock[0] = 0.0


@pytest.mark.parametrize("person", ["eve", "zoe"])
def test_a_person_without_a_role_is_refused_and_told_who_they_are(
    site: Site, browser: httpx.Client, person: str
) -> None:
    url = at_callback(site, browser, person)
    with capture_logs() as logs:
        response = browser.get(url)
    assert refusal(response) == (403, "no-role")
    assert f"you are known as {person}, but have no role here" in response.json()["detail"]
    assert [(entry["person"], entry["code"]) for entry in logs if entry["event"] == "refused"] == [(person, "no-role")]


def test_who_turns_back_at_the_provider_is_not_logged_in(browser: httpx.Client) -> None:
    page = browser.get("/auth/login")
    while page.next_request is not None:
        page = browser.send(page.next_request)
    page = browser.get(f"{page.url}/abort")
    while page.next_request is not None:
        page = browser.send(page.next_request)
    assert refusal(page) == (401, "login-refused")
    assert "access_denied" in page.json()["detail"]


class AnswersOfAnother(httpx.BaseTransport):
    """The real provider, but for the token endpoint."""

    def __init__(self, tokens: dict[str, Any]) -> None:
        self._tokens = tokens
        self._real = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(200, json=self._tokens)
        return self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


def test_an_id_token_that_the_provider_made_for_another_application_is_refused(
    site: Site, browser: httpx.Client
) -> None:
    attempt = Attempt.begin("/")
    other = OidcProvider(settings_of(site.issuer, "other"), time.time)
    back = follow(browser, other.authorization_url(attempt, site.callback), "ann", site.callback)
    code = parse_qs(urlsplit(back).query)["code"][0]
    tokens = dict(other._tokens(code, attempt.verifier, site.callback))
    other.close()
    results = {}
    for client in ("interlock", "other"):
        own = OidcProvider(settings_of(site.issuer, client), time.time, transport=AnswersOfAnother(tokens))
        try:
            results[client] = own.identity(code, attempt, site.callback).person
        except Problem as problem:
            results[client] = f"{problem.code} {problem.detail}"
        own.close()
    assert results["other"] == "ann"
    assert results["interlock"].startswith("login-refused")
    assert "aud" in results["interlock"]


def test_a_provider_that_does_not_answer_is_named(world: World) -> None:
    issuer = f"http://127.0.0.1:{free_port()}"
    api = world.api(ApiSettings(oidc=settings_of(issuer)))
    response = api.browser.get("/auth/login")
    api.access.close()
    assert (response.status_code, response.json()["code"]) == (503, "login-unavailable")
    assert issuer in response.json()["detail"]


def test_the_lock_of_the_provider_names_no_address() -> None:
    from tests.interlock.api.access.running_provider import SOURCES

    packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
    assert all("integrity" in package for name, package in packages.items() if name)
    assert "://registry" not in (SOURCES / "package-lock.json").read_text()
    assert not any("resolved" in package for package in packages.values())
