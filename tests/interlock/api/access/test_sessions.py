"""Sessions: how long they last, how they end, and that nobody can make one."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from interlock.api.access.sessions import IDLE_SECONDS, LONGEST_SECONDS, end_all_sessions, new_session, sign, signer
from interlock.platform.settings import ApiSettings
from tests.interlock.api.access.access_world import HERE, KEY, World, code, cookie_flags

OTHER_KEY = KEY[::-1]


def test_a_session_is_known_in_every_process_with_the_same_key_and_in_no_other(world: World) -> None:
    browser, session = world.api().logged_in()
    cookie = dict(browser.cookies)
    assert browser.get("/v1/me").json()["person"] == "ann"
    another = world.api().browser
    another.cookies.update(cookie)
    assert another.get("/v1/me").json()["person"] == "ann"
    stranger = world.api(key=OTHER_KEY)
    stranger.browser.cookies.set(stranger.access.cookies.name, next(iter(cookie.values())))
    assert code(stranger.browser.get("/v1/me")) == (401, "session-unknown")
    assert session.id


@pytest.mark.parametrize("field", ["roles", "person", "started", "used", "id"])
def test_a_cookie_that_was_changed_is_refused(world: World, field: str) -> None:
    api = world.api()
    browser, _ = api.logged_in()
    name, value = next(iter(browser.cookies.items()))
    payload, _, signature = value.rpartition(".")
    fields: dict[str, Any] = signer(b"unknown", "session").loads_unsafe(value)[1]
    fields[field] = {"roles": ["admin"], "person": "bob"}.get(field, fields["used"] + 9)
    forged = sign(signer(b"guess", "session"), fields)
    unsigned = forged.rpartition(".")[0]
    for cookie in (forged, f"{unsigned}.{signature}", unsigned, f"{payload}.{signature[:-2]}xx", payload, "", "x.y"):
        browser.cookies.set(name, cookie, "localhost.local")
        assert browser.get("/v1/me").status_code == 401


@pytest.mark.parametrize("purpose", ["login", "csrf", ""])
def test_what_was_signed_for_another_purpose_is_no_session(world: World, purpose: str) -> None:
    api = world.api()
    fields = {**new_session("ann", "Ann", ["admin"], world.time)._asdict(), "roles": ["admin"], "used": world.time}
    api.browser.cookies.set(api.access.cookies.name, str(signer(KEY, purpose).dumps(fields)))
    assert code(api.browser.get("/v1/me")) == (401, "session-unknown")


def test_a_session_ends_after_half_an_hour_without_a_request(world: World) -> None:
    browser, _ = world.api().logged_in()
    world.pass_time(IDLE_SECONDS)
    assert browser.get("/v1/me").status_code == 200
    idle, _ = world.api().logged_in()
    world.pass_time(IDLE_SECONDS + 1)
    assert code(idle.get("/v1/me")) == (401, "session-expired")


def test_a_session_in_use_is_renewed_until_it_is_ten_hours_old(world: World) -> None:
    browser, _ = world.api().logged_in()
    last = world.time + LONGEST_SECONDS
    while world.time < last:
        assert browser.get("/v1/me").status_code == 200
        world.pass_time(IDLE_SECONDS - 60)
    assert code(browser.get("/v1/me")) == (401, "session-expired")


def test_a_new_cookie_comes_at_most_once_a_minute_and_with_pages_that_fail_too(world: World) -> None:
    browser, _ = world.api().logged_in()
    assert "set-cookie" not in browser.get("/v1/me").headers
    world.pass_time(60)
    response = browser.get("/needs/tokens:write")
    assert response.status_code == 403
    assert "set-cookie" in response.headers
    assert "set-cookie" not in browser.get("/v1/me").headers


@pytest.mark.parametrize(
    ("address", "url", "secure"),
    [(HERE, None, False), ("https://console.example.com", None, True), (HERE, "https://console.example.com", True)],
)
def test_cookies_cannot_be_read_by_scripts_and_are_secure_over_https(
    world: World, address: str, url: str | None, secure: bool
) -> None:
    api = world.api(ApiSettings(url=url))
    session = new_session("ann", "Ann", ["reviewer"], world.time)
    cookie = f"{api.access.cookies.name}={api.access.cookies.value(session, world.time)}"
    world.pass_time(60)
    response = api.browser_of(address).get("/v1/me", headers={"Cookie": cookie})
    flags = cookie_flags(response.headers["set-cookie"])
    assert ("secure" in flags) == secure
    assert flags.items() >= {"httponly": "", "samesite": "Lax", "path": "/", "max-age": str(IDLE_SECONDS)}.items()


def logged_out(browser: TestClient, csrf: dict[str, str], **form: str) -> Any:
    """What the logout answers."""
    return browser.post("/auth/logout", data=form, headers=csrf)


def test_a_logout_ends_the_session_everywhere_even_for_who_kept_the_cookie(world: World) -> None:
    here, there = world.api(), world.api()
    browser, session = here.logged_in()
    thief = there.browser
    thief.cookies.update(dict(browser.cookies))
    other, _ = here.logged_in()
    response = logged_out(browser, here.csrf(session))
    assert (response.status_code, response.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert code(browser.get("/v1/me")) == (401, "unauthenticated")
    world.pass_time(0.9)
    assert code(thief.get("/v1/me")) == (401, "session-revoked")
    assert other.get("/v1/me").status_code == 200


def test_a_logout_that_comes_when_the_cookie_is_due_for_renewal_does_not_renew_it(world: World) -> None:
    api = world.api()
    browser, session = api.logged_in()
    world.pass_time(61)
    response = logged_out(browser, api.csrf(session))
    assert len(response.headers.get_list("set-cookie")) == 1
    assert not browser.cookies


def test_logging_out_everywhere_ends_all_sessions_of_the_person_and_no_later_one(world: World) -> None:
    api = world.api()
    (first, session), (second, _), (bobs, _) = api.logged_in(), api.logged_in(), api.logged_in("bob")
    world.pass_time(1)
    assert logged_out(first, api.csrf(session), everywhere="1").status_code == 303
    assert code(second.get("/v1/me")) == (401, "session-revoked")
    assert bobs.get("/v1/me").status_code == 200
    world.pass_time(1)
    assert api.logged_in()[0].get("/v1/me").status_code == 200


def test_a_form_may_send_the_csrf_token_as_a_field(world: World) -> None:
    api = world.api()
    browser, session = api.logged_in()
    assert code(browser.post("/auth/logout", data={"csrf_token": "guess"})) == (403, "csrf")
    form = {"csrf_token": api.access.cookies.csrf_token(session)}
    assert browser.post("/auth/logout", data=form).status_code == 303


def test_records_of_sessions_that_would_have_ended_by_themselves_are_removed(world: World) -> None:
    api = world.api()
    browser, session = api.logged_in()
    logged_out(browser, api.csrf(session), everywhere="1")
    assert {record["kind"] for record in (*api.table.of_kind("session"), *api.table.of_kind("person"))} == {
        "session",
        "person",
    }
    world.pass_time(LONGEST_SECONDS + 120)
    end_all_sessions(api.table, "bob", by="bob", now=world.time)
    assert api.table.of_kind("session") == []
    assert [record["id"] for record in api.table.of_kind("person")] == ["bob"]
    world.broker.compact("access", drop_tombstones=True)
    assert [record["id"] for record in world.api().table.of_kind("person")] == ["bob"]


def test_a_demo_session_ends_where_the_demo_login_is_switched_off(world: World) -> None:
    browser, _ = world.api().logged_in(demo=True)
    assert browser.get("/v1/me").status_code == 200
    strict = world.api(ApiSettings(demo_login=False)).browser
    strict.cookies.update(dict(browser.cookies))
    assert code(strict.get("/v1/me")) == (401, "session-revoked")


def test_instances_on_one_machine_do_not_take_each_others_cookies(world: World) -> None:
    assert world.api().access.cookies.name != world.api(key=OTHER_KEY).access.cookies.name
