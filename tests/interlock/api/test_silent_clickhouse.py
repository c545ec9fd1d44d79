"""A ClickHouse that takes connections and says nothing holds nobody up for long."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.api import backend
from tests.interlock.api.api_world import World, refusal

SECONDS = 1


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Whose ClickHouse is silent."""
    monkeypatch.setattr(backend, "CLICKHOUSE_SECONDS", SECONDS)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        world = World(tmp_path, clickhouse={"url": url})
        yield world
        world.close()


def took(world: World, path: str) -> tuple[float, tuple[int, str]]:
    started = time.monotonic()
    found = refusal(world.get(path))
    return time.monotonic() - started, found


def test_one_request_waits_for_it_and_the_next_are_told_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.get("/v1/me")
    path = f"/v1/questions/{world.get('/v1/questions').json()[0]['name']}"
    first, problem = took(world, path)
    assert problem == (503, "unavailable")
    assert first < 10 * SECONDS
    for _ in range(5):
        later, problem = took(world, path)
        assert problem == (503, "unavailable")
        assert later < SECONDS / 2
    # After a while it is asked again.
    monkeypatch.setattr(world.backend, "_silent_until", 0.0)
    again, _ = took(world, path)
    assert again >= SECONDS


def test_while_it_is_silent_tasks_are_listed_and_decisions_taken(world: World) -> None:
    world.get("/v1/me")
    threads = [threading.Thread(target=world.get, args=("/v1/dead-letters/counts",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    assert world.get("/v1/tasks").status_code == 200
    assert time.monotonic() - started < SECONDS
    for thread in threads:
        thread.join(20)
