"""Live updates: whom they are told to, and when they end."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn

from interlock.api.access import tokens
from interlock.api.routes import events
from interlock.api.server import configuration, listen
from interlock.schemas import catalogue
from tests.interlock.api.api_world import World


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[World, str]]:
    """A world and the address of its server, whose heart beats fast."""
    monkeypatch.setattr(events, "_HEARTBEAT_SECONDS", 0.2)
    world = World(tmp_path)
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(configuration(world.app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield world, f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    listening.close()
    world.close()


def change(world: World, person: str) -> None:
    """Something that is told to whoever may see tasks."""
    world.put(catalogue.PRESENCE, person, {"reviewer": person, "on_duty": True, "since": 0})


def lines(address: str, token: str, seconds: float = 10) -> Iterator[str]:
    """Of the stream, until it ends."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.stream("GET", f"{address}/v1/events", headers=headers, timeout=seconds) as response:
        assert response.status_code == 200
        yield from response.iter_lines()


@pytest.mark.parametrize("scope", ["tasks:read", "decisions:read"])
def test_the_stream_of_a_revoked_token_ends_although_there_is_always_more_to_tell(
    served: tuple[World, str], scope: str
) -> None:
    world, address = served
    token, done = world.token("ann", scopes=[scope]), threading.Event()

    def keep_changing() -> None:
        number = 0
        while not done.wait(0.05):
            change(world, f"r-{number}")
            number += 1

    changing = threading.Thread(target=keep_changing)
    changing.start()
    try:
        stream = lines(address, token)
        assert "event: hello" in [next(stream) for _ in range(3)]
        tokens.revoke_token(world.access.table, token.split("_")[1], by="test", now=time.time())
        deadline = time.monotonic() + 5
        for _ in stream:
            assert time.monotonic() < deadline, "it goes on"
    finally:
        done.set()
        changing.join()


def test_whoever_may_not_see_tasks_is_told_of_none_and_stays_connected(served: tuple[World, str]) -> None:
    world, address = served
    stream = lines(address, world.token("ann", scopes=["decisions:read"]))
    told = [next(stream) for _ in range(3)]
    change(world, "r-1")
    beats = 0
    for line in stream:
        told.append(line)
        beats += line == ": alive"
        if beats == 4:
            break
    assert "event: presence" not in told


def test_whoever_may_see_tasks_is_told_of_each_change_with_a_place_to_go_on_from(served: tuple[World, str]) -> None:
    world, address = served
    stream = lines(address, world.token("ann", scopes=["tasks:read"]))
    assert "event: hello" in [next(stream) for _ in range(3)]
    change(world, "r-1")
    told = [line for line, _ in zip(stream, range(6), strict=False) if line]
    assert "event: presence" in told
    (data,) = (json.loads(line.partition(": ")[2]) for line in told if line.startswith('data: {"id"'))
    assert data == {"id": "r-1", "on_duty": True}
