"""The API on Kafka in memory, asked by people whose rights a test chooses."""

import base64
import threading
import time
from collections.abc import Callable, Collection
from contextlib import closing
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client as ClickHouse
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from interlock.api.access.access import Access
from interlock.api.access.roles import SCOPES
from interlock.api.access.sessions import new_session
from interlock.api.access.table import AccessTable
from interlock.api.access.tokens import new_token
from interlock.api.app import create_app
from interlock.api.backend import Backend
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.policies import publishing
from interlock.review.desk_connection import ATTEMPT_SECONDS
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.ranges import read_topic

EVERYTHING = sorted(SCOPES)

KEY = bytes(range(32))


class World:
    """A cluster with every topic and one API server."""

    def __init__(
        self,
        directory: Path,
        warehouse: ClickHouse | None = None,
        *,
        desk_seconds: float = ATTEMPT_SECONDS,
        install_pages: Callable[[FastAPI], None] = lambda _: None,
        **settings: Any,
    ) -> None:
        """`warehouse`: the ClickHouse that the server asks; without one it is away. `desk_seconds`: how long the desk
        has for an answer; there is none unless a test starts it."""
        self.broker = MemoryBroker(SystemClock(), waits=True)
        self.broker.create_topics([TopicSpec(each.name, each.partitions, each.config()) for each in catalogue.TOPICS])
        platform = Platform(Settings(data_dir=directory, **settings))
        self.backend = Backend(platform, broker=self.broker, desk_seconds=desk_seconds)
        if warehouse is not None:
            self.backend._clickhouse = warehouse
        self._table = AccessTable(self.broker)
        self.access = Access(platform.settings.api, KEY, self._table, lambda: self.backend.board.reviewers)
        self.scopes: dict[str, Collection[str]] = {}
        """What people may do who may not do everything; to be set before they ask."""
        self._tokens: dict[str, str] = {}
        self.app = create_app(self.backend, self.access, install_pages)
        self.client = TestClient(self.app, raise_server_exceptions=False, follow_redirects=False)

    def put(self, topic: catalogue.Topic, key: str, record: dict[str, Any]) -> None:
        """Writes one record."""
        assert topic.schema is not None
        publishing.send(self.broker, topic, key, wire.encode(topic.schema, record))

    def values(self, topic: catalogue.Topic) -> list[tuple[str, bytes | None]]:
        """Key and value of every record."""
        return [
            ((message.key() or b"").decode(), message.value())
            for messages in read_topic(self.broker, topic.name)
            for message in messages
        ]

    def records(self, topic: catalogue.Topic) -> list[dict[str, Any]]:
        """Every record that is no tombstone."""
        assert topic.schema is not None
        return [wire.decode(topic.schema, value) for _, value in self.values(topic) if value is not None]

    def get(self, path: str, person: str = "ana", **parameters: Any) -> Response:
        return self.client.get(path, params=parameters, headers=self.as_person(person))

    def post(self, path: str, body: Any, person: str = "ana", if_match: str | None = None) -> Response:
        return self.client.post(path, json=body, headers=self.as_person(person, if_match))

    def put_to(self, path: str, body: Any, person: str = "ana", if_match: str | None = None) -> Response:
        return self.client.put(path, json=body, headers=self.as_person(person, if_match))

    def delete(self, path: str, person: str = "ana", if_match: str | None = None) -> Response:
        return self.client.delete(path, headers=self.as_person(person, if_match))

    def token(self, person: str, *, roles: Collection[str] = (), scopes: Collection[str] = ()) -> str:
        """A new token."""
        token = new_token(
            name="of a test", person=person, roles=roles, scopes=scopes, created_by="test", now=time.time()
        )
        self._table.write(token.record)
        return token.text

    def log_in(self, person: str, *roles: str) -> tuple[str, str]:
        """The Cookie header of a new session, and its CSRF token."""
        session = new_session(person, person.title(), roles, self.access.now())
        cookies = self.access.cookies
        return f"{cookies.name}={cookies.value(session, self.access.now())}", cookies.csrf_token(session)

    def contents(self) -> dict[str, int]:
        """How many records every topic has."""
        return {topic.name: sum(self.broker.end_offsets(topic.name).values()) for topic in catalogue.TOPICS}

    def as_person(self, person: str, if_match: str | None = None) -> dict[str, str]:
        """The headers of a request of a person."""
        if person not in self._tokens:
            self._tokens[person] = self.token(person, scopes=self.scopes.get(person, EVERYTHING))
        headers = {"Authorization": f"Bearer {self._tokens[person]}"}
        return headers if if_match is None else {**headers, "If-Match": if_match}

    def close(self) -> None:
        self.client.close()
        with closing(self.backend), closing(self._table), closing(self.access):
            # The test's own client is closed by whoever made it.
            self.backend._clickhouse = None


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Waits for it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        threading.Event().wait(0.02)


def refusal(response: Response) -> tuple[int, str]:
    """Status and code of problem details."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["detail"]
    return response.status_code, problem["code"]


def raw(text: str) -> bytes:
    """Bytes of base64."""
    return base64.b64decode(text)
