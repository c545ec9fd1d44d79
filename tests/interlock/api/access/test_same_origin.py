"""What pages of other sites cannot do."""

import pytest

from interlock.api.access.same_origin import local_path
from interlock.platform.settings import ApiSettings
from tests.interlock.api.access.access_world import Api, World, bearer, code

PATH = "/needs/tasks:write"


@pytest.fixture
def api(world: World) -> Api:
    return world.api()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_write_of_a_session_needs_the_csrf_token_of_that_session(api: Api, method: str) -> None:
    api.app.add_api_route("/any", lambda: None, methods=[method])
    browser, session = api.logged_in()
    _, other = api.logged_in()
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "ä"}, api.csrf(other)):
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        assert code(browser.post(PATH, headers=encoded)) == (403, "csrf")
    assert browser.post(PATH, headers=api.csrf(session)).status_code == 200


def test_reading_and_tokens_need_none(world: World, api: Api) -> None:
    browser, _ = api.logged_in()
    assert browser.get(PATH).status_code == 200
    token = world.token("tasks:write")
    world.pass_time()
    assert api.browser.post(PATH, headers=bearer(token)).status_code == 200


def test_a_cookie_beside_a_token_neither_helps_nor_harms(world: World, api: Api) -> None:
    browser, _ = api.logged_in()
    weak = world.token("decisions:read")
    world.pass_time()
    assert code(browser.post(PATH, headers=bearer(weak))) == (403, "missing-scope")
    assert code(browser.get(PATH, headers=bearer("ilk_x_y"))) == (401, "token-unknown")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:8080"}, 200),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "https://console.example.com"}, 200),
        ({}, 200),
    ],
)
def test_a_write_that_a_page_of_another_site_caused_is_refused(
    world: World, headers: dict[str, str], status: int
) -> None:
    api = world.api(ApiSettings(url="https://console.example.com"))
    browser, session = api.logged_in()
    response = browser.post(PATH, headers={**headers, **api.csrf(session)})
    assert response.status_code == status
    assert status == 200 or code(response) == (403, "cross-site")


@pytest.mark.parametrize(
    "wanted",
    [
        *("https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example"),
        *(
            "/\n/evil",
            "javascript:alert(1)",
            "evil.example",
            "",
            None,
            "/ /evil",
            "http:/evil",
            "/\x00",
            "/ä",
            "\t//evil",
        ),
    ],
)
def test_a_login_never_leads_to_another_site(wanted: str | None) -> None:
    assert local_path(wanted) == "/"


@pytest.mark.parametrize("wanted", ["/", "/tasks/loan%2F1?queue=a&b=c#reasons", "/a//b", "/?next=https://x.example"])
def test_a_login_leads_to_the_page_that_was_wanted(wanted: str) -> None:
    assert local_path(wanted) == wanted
