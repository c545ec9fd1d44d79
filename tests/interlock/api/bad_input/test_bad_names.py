"""Ids, parameters, headers and credentials that are none: the right status, problem details, nothing changed."""

import time
from urllib.parse import unquote

import pytest

from interlock.api.access.tokens import DAY_SECONDS, new_token
from interlock.schemas.models import MAX_ID_BYTES
from tests.interlock.api.api_world import EVERYTHING, World, refusal
from tests.interlock.api.bad_input.sending import SUBMIT, post, text

IDS = [
    "a%2Fb",
    "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "100%25",
    "%00",
    "%F0%9F%92%B6",
    "%FF%FE",
    "%ED%A0%80",
    "%0d%0aSet-Cookie:%20a=b",
    "'; DROP TABLE decisions --",
    "%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "x" * MAX_ID_BYTES,
]


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("/v1/tasks/{}", {"unknown-task"}),
        ("/v1/policies/{}", {"unknown-policy"}),
        ("/v1/reviewers/{}", {"unknown-reviewer"}),
        ("/v1/proposals/{}", {"unknown-proposal"}),
        ("/v1/dead-letters/{}", {"unknown-dead-letter", "clickhouse-unavailable", "invalid", "unavailable"}),
        ("/v1/questions/{}", {"unknown-question", "invalid"}),
    ],
)
def test_whatever_an_id_holds_it_is_an_id(world: World, path: str, codes: set[str], name: str) -> None:
    response = world.client.get(path.format(name), headers=world.as_person("ana"))
    status, code = refusal(response)
    assert (status, code in codes) in ((404, True), (503, True), (422, True)), response.text
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("name", IDS)
def test_the_story_of_a_decision_has_its_id_as_it_was_meant(world: World, name: str) -> None:
    response = world.client.get(f"/v1/decisions/{name}", headers=world.as_person("ana"))
    assert response.json()["decision_id"] == unquote(name)
    assert response.json()["unavailable"]


@pytest.mark.usefixtures("changes_something")
@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "a\r\nX-Other: b", "\x00", "\U0001f4b6", "../..", " "])
def test_a_decision_may_be_called_anything_and_is_found_where_the_answer_says(world: World, name: str) -> None:
    response = post(world, "/v1/decisions", text(decision_id=name))
    assert (response.status_code, response.json()["decision_id"]) == (202, name)
    assert "x-other" not in response.headers
    pending = world.client.get(f"{response.headers['location']}/resolution", headers=world.as_person("ana"))
    assert (pending.status_code, pending.json()["decision_id"]) == (202, name)


@pytest.mark.parametrize("path", ["/v1/tasks/{}", "/v1/policies/{}", "/v1/decisions/{}", "/v1/decisions/{}/resolution"])
def test_an_id_that_is_too_long_is_refused(world: World, path: str) -> None:
    response = world.client.get(path.format("x" * 1_000), headers=world.as_person("ana"))
    assert refusal(response) == (422, "invalid")


def test_an_address_that_does_not_exist_and_a_method_that_is_not_known_are_problems(world: World) -> None:
    ana = world.as_person("ana")
    assert refusal(world.client.get("/v1/nothing", headers=ana))[0] == 404
    response = world.client.put("/v1/queues", headers=ana)
    assert refusal(response) == (405, "method-not-allowed")
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=1e3",
        "cursor=garbage",
        "cursor=%00",
        "cursor=é",
        "cursor=bnVsbA==",
        "cursor=WzEsMl0=",
        "cursor=W3RydWUsIngiXQ==",
        "cursor=W1tdXQ==",
        "cursor=WyJ4Il0=",
        "cursor=MQ==",
        f"cursor={'W' * 900}",
        "state=gone",
        "mine=perhaps",
    ],
)
def test_a_wrong_parameter_of_a_list_is_named(world: World, query: str) -> None:
    assert refusal(world.client.get(f"/v1/tasks?{query}", headers=world.as_person("ana"))) == (422, "invalid")


@pytest.mark.parametrize("path", ["/v1/proposals", "/v1/dead-letters", "/v1/alerts", "/v1/policies/x/versions"])
@pytest.mark.parametrize("cursor", ["garbage", "%00", "bnVsbA==", "MQ==", "é"])
def test_a_cursor_of_somebody_else_is_named(world: World, path: str, cursor: str) -> None:
    response = world.client.get(f"{path}?cursor={cursor}", headers=world.as_person("ana"))
    status, code = refusal(response)
    assert (status, code) in ((422, "invalid"), (503, "clickhouse-unavailable"), (503, "unavailable")), response.text


@pytest.mark.parametrize("wait", ["-1", "56", "nan", "inf", "x", "1e400"])
def test_a_wait_has_bounds(world: World, wait: str) -> None:
    response = world.client.get(f"/v1/decisions/x/resolution?wait={wait}", headers=world.as_person("ana"))
    assert refusal(response) == (422, "invalid")


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        ("Bearer", "token-unknown"),
        ("Bearer ", "token-unknown"),
        ("Bearer ilk_", "token-unknown"),
        ("Bearer ilk_a_b", "token-unknown"),
        ("Bearer " + "x" * 10_000, "token-unknown"),
        ("Bearer \u00fc", "token-unknown"),
        ("Basic YTpi", "unauthenticated"),
        ("", "unauthenticated"),
    ],
)
def test_credentials_that_are_none_are_refused(world: World, credentials: str, code: str) -> None:
    headers = {b"authorization": credentials.encode("latin-1")}
    assert refusal(world.client.get("/v1/queues", headers=headers)) == (401, code)


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "\u00fc", "e30.x" * 500])
def test_a_cookie_that_is_no_session_is_refused(world: World, cookie: str) -> None:
    headers = {b"cookie": f"{world.access.cookies.name}={cookie}".encode("latin-1")}
    response = world.client.get("/v1/queues", headers=headers)
    assert refusal(response) in ((401, "session-unknown"), (401, "unauthenticated"))


@pytest.mark.usefixtures("changes_something")
def test_expired_and_revoked_tokens_are_refused_and_say_so_to_their_holder(world: World) -> None:
    two_days_ago = time.time() - 2 * DAY_SECONDS
    old = new_token(name="old", person="ann", scopes=EVERYTHING, created_by="t", now=two_days_ago, days=1)
    world.access.table.write(old.record)
    answer = world.client.get("/v1/queues", headers={"authorization": f"Bearer {old.text}"})
    assert refusal(answer) == (401, "token-expired")
    token = world.token("ann", scopes=EVERYTHING)
    assert world.delete(f"/v1/tokens/{token.split('_')[1]}").status_code == 200
    assert refusal(world.client.get("/v1/queues", headers={"authorization": f"Bearer {token}"})) == (
        401,
        "token-revoked",
    )


@pytest.mark.parametrize("header", ["Idempotency-Key", "If-Match", "Last-Event-ID"])
def test_a_header_that_is_too_long_is_refused(world: World, header: str) -> None:
    path = "/v1/events" if header == "Last-Event-ID" else "/v1/tasks/t-1/submit"
    method = "GET" if header == "Last-Event-ID" else "POST"
    response = world.client.request(method, path, json=SUBMIT, headers={**world.as_person("ana"), header: "x" * 5_000})
    assert refusal(response) == (422, "invalid")


@pytest.mark.parametrize("value", [b"\xff", b"\x80abc", "ü".encode()])
@pytest.mark.parametrize("header", ["Idempotency-Key", "If-Match", "traceparent", "Origin", "Cookie", "X-CSRF-Token"])
def test_a_header_of_other_characters_is_no_failure(world: World, header: str, value: bytes) -> None:
    headers = {name.encode(): value.encode() for name, value in world.as_person("ana").items()}
    response = world.client.post(
        "/v1/policies/check", json={"source": "x"}, headers={**headers, header.encode(): value}
    )
    assert response.status_code in (200, 403)


@pytest.mark.parametrize("if_match", ["", "x", '"1.0.1.leased"', 'W/"x"', ","])
def test_a_verdict_about_a_task_that_is_gone_is_refused_whatever_was_seen(world: World, if_match: str) -> None:
    assert refusal(world.post("/v1/tasks/t-1/submit", SUBMIT, if_match=if_match)) == (404, "unknown-task")


def test_script_in_any_field_is_text(world: World) -> None:
    response = world.client.get("/v1/questions/%3Cscript%3Ealert(1)%3C%2Fscript%3E", headers=world.as_person("ana"))
    assert response.headers["content-type"] == "application/problem+json"
    cookie, _ = world.log_in("ann", "reviewer", "admin")
    page = world.client.get("/tasks/%3Cscript%3Ealert(1)%3C%2Fscript%3E", headers={"cookie": cookie})
    assert page.status_code == 404
    assert "<script>alert" not in page.text
