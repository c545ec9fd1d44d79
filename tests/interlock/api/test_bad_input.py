"""What bad input gets: the right status with problem details, and nothing changed in any topic."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import fastavro
import pytest
import uvicorn
from httpx2 import Response

from interlock.api import bodies
from interlock.api.access.tokens import DAY_SECONDS, new_token
from interlock.api.server import configuration, listen
from interlock.console import server
from interlock.schemas import avro_schemas, catalogue, wire
from interlock.schemas.models import MAX_ID_BYTES, Decision
from interlock.streams.memory import unavailable
from interlock.streams.memory.faults import FaultPlan, Step
from tests.interlock.api.api_world import EVERYTHING, World, refusal

JSON = "application/json"

DECISION: dict[str, Any] = {
    "decision_id": "loan-1",
    "domain": "loans",
    "model_id": "scorer",
    "model_version": "1",
    "prediction": "approve",
    "confidence": 0.9,
    "created_at": "2026-01-31T12:00:00Z",
    "input": {"savings": 1200},
}

SUBMIT = {
    "epoch": 1,
    "payload_hash": "0" * 32,
    "verdict": "approve",
    "reason_code": "agree",
    "reason_text": "income is documented",
}

# A route of each kind that takes JSON.
COMMANDS = ("/v1/tasks/t-1/submit", "/v1/policies/check", "/v1/controls/halt", "/v1/tokens", "/v1/tasks/bulk/release")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With pages, desk and ClickHouse away; a desk that is away is noticed soon."""
    directory = tmp_path_factory.mktemp("bad")
    generous = {"requests_per_second": 1e6, "burst": 1_000_000}
    world = World(directory, desk_seconds=0.01, install_pages=server.install, api=generous)
    yield world
    world.close()


@pytest.fixture(autouse=True)
def _nothing_changed(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test leaves a record behind, unless it says so; its tokens are made before."""
    world.get("/v1/me")
    before = world.contents()
    yield
    if not request.node.get_closest_marker("usefixtures"):
        assert world.contents() == before


def post(world: World, path: str, body: bytes | Iterator[bytes], kind: str | None = JSON, **headers: str) -> Response:
    content_type = {} if kind is None else {"content-type": kind}
    return world.client.post(path, content=body, headers={**world.as_person("ana"), **content_type, **headers})


def text(**changes: Any) -> bytes:
    return json.dumps({**DECISION, **changes}).encode()


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
def test_a_body_that_declares_too_much_is_refused_unread(world: World, path: str) -> None:
    def parts() -> Iterator[bytes]:
        yield b"{"
        raise AssertionError("the body was read")

    response = post(world, path, parts(), **{"content-length": str(bodies.MAX_BATCH_BYTES + 1)})
    assert refusal(response) == (413, "too-large")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
def test_a_body_without_a_length_is_refused_once_it_is_too_large(world: World, path: str) -> None:
    kibibyte = b" " * 1024
    chunks = (kibibyte for _ in range(bodies.MAX_BODY_BYTES // 1024 + 1))
    assert refusal(post(world, path, chunks)) == (413, "too-large")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", "json", None])
def test_another_content_type_is_not_guessed_at(world: World, path: str, kind: str | None) -> None:
    assert refusal(post(world, path, b"{}", kind)) == (415, "unsupported-media-type")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1} {"b": 2}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"}",
        b"\x00",
    ],
    ids=lambda body: body[:12].decode(errors="replace"),
)
def test_what_is_no_json_is_malformed(world: World, path: str, body: bytes) -> None:
    assert refusal(post(world, path, body)) == (400, "malformed")


@pytest.mark.parametrize("path", COMMANDS)
@pytest.mark.parametrize("body", [b'{"a": "\\ud800"}', b'{"\\udfff": 1}', b'{"a": 1e999}', b"[" * 65 + b"]" * 65])
def test_json_that_not_every_reader_takes_is_malformed(world: World, path: str, body: bytes) -> None:
    assert refusal(post(world, path, body)) == (400, "malformed")


@pytest.mark.parametrize("path", ["/v1/decisions", *COMMANDS])
@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"{}", b'{"unknown": 1}'])
def test_json_of_another_form_names_what_is_wrong(world: World, path: str, body: bytes) -> None:
    response = post(world, path, body)
    assert refusal(response) == (422, "invalid")
    assert response.json()["errors"]


@pytest.mark.parametrize(
    "changes",
    [
        {"decision_id": ""},
        {"decision_id": "x" * (MAX_ID_BYTES + 1)},
        {"decision_id": "é" * (MAX_ID_BYTES // 2 + 1)},
        {"decision_id": "\ud800"},
        {"confidence": 1.01},
        {"confidence": "high"},
        {"confidence": None},
        {"input": "\ud800"},
        {"created_at": "yesterday"},
        {"created_at": 1e300},
        {"unknown": 1},
        {"attributes": {"a": {}}},
    ],
    ids=str,
)
def test_a_decision_that_says_nothing_usable_is_invalid(world: World, changes: dict[str, Any]) -> None:
    assert refusal(post(world, "/v1/decisions", text(**changes))) == (422, "invalid")


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (b"", None),
        (b"\n\n", None),
        (text() + b"\n{", 2),
        (text() + b"\n\nnull\n" + text(), 3),
        (text(decision_id=""), 1),
        (text() + b"\n" + text(confidence=2), 2),
        (text() + b"\n\xff", 2),
        (b"[" * 100_000, 1),
    ],
)
def test_one_wrong_line_of_a_batch_is_named_and_none_is_sent(world: World, lines: bytes, line: int | None) -> None:
    response = post(world, "/v1/decisions", lines, "application/jsonl")
    assert refusal(response) == (422, "invalid")
    assert [error.get("line") for error in response.json().get("errors", [])] == ([line] if line else [])


def test_a_batch_of_too_many_decisions_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BATCH", 3)
    assert refusal(post(world, "/v1/decisions", b"\n".join([text()] * 4), "application/jsonl")) == (413, "too-many")


def test_a_wait_takes_a_single_decision(world: World) -> None:
    lines = b"\n".join([text(), text(decision_id="loan-2")])
    assert refusal(post(world, "/v1/decisions?wait=1", lines, "application/jsonl")) == (422, "invalid")


def container(schema: Any, rows: list[Any], codec: str = "null") -> bytes:
    file = BytesIO()
    fastavro.writer(file, schema, rows, codec=codec)
    return file.getvalue()


def of_decisions(codec: str = "null") -> bytes:
    return container(avro_schemas.parsed("Decision"), [Decision.model_validate(DECISION).to_record()], codec)


FRAMED = wire.encode("Decision", Decision.model_validate(DECISION).to_record())

# Few bytes that say there are a thousand million records, and as many bytes.
BOMB = container(avro_schemas.parsed("Decision"), []) + b"\x80\xa8\xd6\xb9\x07" + b"\x80\xa8\xd6\xb9\x07" + b"\x00"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "malformed")),
        (b"Obj\x01", (400, "malformed")),
        (b"no avro", (400, "malformed")),
        (of_decisions()[:-20], (400, "malformed")),
        (of_decisions()[:200], (400, "malformed")),
        (of_decisions("deflate"), (415, "unsupported-media-type")),
        (container("string", ["x"]), (415, "unsupported-media-type")),
        (container({"type": "array", "items": "null"}, [[None] * 10]), (415, "unsupported-media-type")),
        (BOMB, (400, "malformed")),
        (FRAMED[:-5], (422, "invalid")),
        (b"\x00" + b"\xff" * 20, (422, "invalid")),
        (b"\x00", (422, "invalid")),
    ],
    ids=[
        *("empty", "magic", "no avro", "truncated", "no schema", "compressed", "other schema", "of nothing", "bomb"),
        *("framed and truncated", "framed with an unknown schema", "frame"),
    ],
)
def test_damaged_or_foreign_avro_is_refused(world: World, body: bytes, expected: tuple[int, str]) -> None:
    assert refusal(post(world, "/v1/decisions", body, "application/avro")) == expected


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


@pytest.mark.usefixtures("world")
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


@pytest.mark.usefixtures("world")
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


class _Away(FaultPlan):
    """No step of a client comes through."""

    def reach(self, step: Step) -> None:
        if step != "close":
            raise unavailable()


@pytest.mark.usefixtures("world")
def test_while_kafka_is_away_writes_are_refused_for_now_and_the_server_is_not_ready(tmp_path: Path) -> None:
    world = World(tmp_path, desk_seconds=0.01, install_pages=server.install)
    try:
        ana, before = world.as_person("ana"), world.contents()
        world.broker.faults.__class__ = _Away
        written = [
            world.client.post("/v1/decisions", json=DECISION, headers=ana),
            world.client.post("/v1/tasks/claim", json={}, headers=ana),
            world.client.post("/v1/controls/halt", json={"scope": "all", "reason": "fire"}, headers=ana),
            world.client.post("/v1/tokens", json={"name": "n", "scopes": ["tasks:read"]}, headers=ana),
        ]
        for response in written:
            assert refusal(response)[0] == 503, response.text
            assert response.headers["retry-after"] == "5"
        assert world.client.get("/healthz").status_code == 200
        assert until(lambda: world.client.get("/readyz").status_code == 503)
        assert world.contents() == before
    finally:
        world.broker.faults.__class__ = FaultPlan
        assert until(lambda: world.client.get("/readyz").status_code == 200)
        world.close()


@pytest.mark.parametrize("path", ["/v1/questions/quality_rates", "/v1/dead-letters", "/v1/system", "/v1/tasks"])
def test_while_clickhouse_is_away_what_needs_it_says_so(world: World, path: str) -> None:
    response = world.get(path)
    assert response.status_code in (200, 503, 404)
    if response.status_code == 503:
        assert refusal(response)[1] in ("unavailable", "clickhouse-unavailable")


@pytest.mark.usefixtures("world")
def test_the_desk_is_away_is_a_problem_with_the_id_to_repeat_the_command_under(world: World) -> None:
    headers = {**world.as_person("ana"), "Idempotency-Key": "k-1"}
    response = world.client.post("/v1/tasks/claim", json={}, headers=headers)
    assert refusal(response) == (503, "desk-unavailable")
    assert response.json()["command_id"] == "k-1"
    assert {command["command_id"] for command in world.records(catalogue.COMMANDS)} == {"k-1"}


@pytest.fixture
def address(world: World) -> Iterator[tuple[str, int]]:
    """Of a server on a socket, for clients that no library is."""
    listening = listen("127.0.0.1", 0)
    running = uvicorn.Server(configuration(world.app))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()
    running.should_exit = True
    thread.join(20)
    listening.close()


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/tasks/claim", "/auth/demo"])
def test_a_body_that_does_not_come_is_not_waited_for(
    world: World, address: tuple[str, int], path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.2)
    with socket.create_connection(address, timeout=10) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: 100\r\n"
        authorization = world.as_person("ana")["Authorization"]
        client.sendall(f"{head}Authorization: {authorization}\r\n\r\n{{".encode())
        status, _, body = received(client)
    assert status == 408
    assert json.loads(body)["code"] == "too-slow"


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/tasks/claim"])
def test_a_client_that_dies_in_the_middle_changes_nothing(world: World, address: tuple[str, int], path: str) -> None:
    authorization = world.as_person("ana")["Authorization"]
    with socket.create_connection(address, timeout=10) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: 2000\r\n"
        client.sendall(f"{head}Authorization: {authorization}\r\n\r\n".encode() + text())
    with socket.create_connection(address, timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert received(client)[0] == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /v1/tasks/a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["negative length", "two lengths", "no chunk", "nul", "nonsense"],
)
def test_what_is_no_http_is_refused(address: tuple[str, int], head: bytes) -> None:
    with socket.create_connection(address, timeout=10) as client:
        try:
            client.sendall(head)
            status = received(client)[0]
        except ConnectionError:
            return
    assert status in (0, 400, 401, 431)


def received(client: socket.socket) -> tuple[int, bytes, bytes]:
    """Status (0: the connection was closed without one), head and body of an answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(65536)
        if not part:
            return 0, data, b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted and (part := client.recv(65536)):
        body += part
    return int(head.split(b" ")[1]), head, body


def until(condition: Any, seconds: float = 20.0) -> bool:
    """Whether it becomes true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        threading.Event().wait(0.02)
    return False
