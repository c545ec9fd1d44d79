"""Clients that are slow, die or speak no HTTP, and Kafka, ClickHouse or the desk away."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from interlock.api import bodies
from interlock.api.server import configuration, listen
from interlock.console import server
from interlock.schemas import catalogue
from interlock.streams.memory import unavailable
from interlock.streams.memory.faults import FaultPlan, Step
from tests.interlock.api.api_world import World, refusal
from tests.interlock.api.bad_input.sending import DECISION, JSON, received, text, until


class _Away(FaultPlan):
    """No step of a client comes through."""

    def reach(self, step: Step) -> None:
        if step != "close":
            raise unavailable()


@pytest.mark.usefixtures("changes_something")
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


class _Unwritable(FaultPlan):
    """Nothing that is sent arrives."""

    def reach(self, step: Step) -> None:
        if step in ("produce", "flush"):
            raise unavailable()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/decisions", DECISION),
        ("/v1/tasks/claim", {}),
        ("/v1/controls/halt", {"scope": "all", "reason": "fire"}),
        ("/v1/tokens", {"name": "n", "scopes": ["tasks:read"]}),
    ],
)
def test_what_kafka_does_not_take_is_refused_for_now(world: World, path: str, body: dict[str, Any]) -> None:
    ana = world.as_person("ana")
    world.broker.faults.__class__ = _Unwritable
    try:
        response = world.client.post(path, json=body, headers=ana)
    finally:
        world.broker.faults.__class__ = FaultPlan
    assert refusal(response)[0] == 503, response.text
    assert response.headers["retry-after"] == "5"


@pytest.mark.parametrize("path", ["/v1/questions/quality_rates", "/v1/dead-letters", "/v1/system", "/v1/tasks"])
def test_while_clickhouse_is_away_what_needs_it_says_so(world: World, path: str) -> None:
    response = world.get(path)
    assert response.status_code in (200, 503, 404)
    if response.status_code == 503:
        assert refusal(response)[1] in ("unavailable", "clickhouse-unavailable")


@pytest.mark.usefixtures("changes_something")
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
