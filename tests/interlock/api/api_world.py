"""The API on Kafka in memory, asked by people whose rights a test chooses."""

import base64
from contextlib import closing
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client as ClickHouse
from fastapi import Request
from fastapi.testclient import TestClient
from httpx2 import Response

from interlock.api.access.principal import Principal
from interlock.api.app import create_app
from interlock.api.backend import Backend
from interlock.api.problems import Problem
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.policies import publishing
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.ranges import read_topic

EVERYTHING = frozenset(
    f"{room}:{right}"
    for room in ("policies", "proposals", "controls", "dead-letters", "reviewers", "alerts")
    for right in ("read", "write")
)


class Access:
    """Takes a caller's word for who asks: `Bearer NAME`. `scopes`: of people who may not do everything."""

    def __init__(self) -> None:
        self.scopes: dict[str, frozenset[str]] = {}

    def authenticate(self, request: Request, scopes: list[str]) -> Principal:
        person = request.headers["authorization"].removeprefix("Bearer ")
        mine = self.scopes.get(person, EVERYTHING)
        for scope in scopes:
            if scope not in mine:
                raise Problem(403, "missing-scope", f"this takes {scope}", scope=scope)
        return Principal(person, person, frozenset(), mine, "token")


class World:
    """A cluster with every topic and one API server."""

    def __init__(self, directory: Path, warehouse: ClickHouse | None = None, **settings: Any) -> None:
        """`warehouse`: the ClickHouse that the server asks; without one it is away."""
        self.broker = MemoryBroker(SystemClock())
        self.broker.create_topics([TopicSpec(each.name, each.partitions, each.config()) for each in catalogue.TOPICS])
        platform = Platform(Settings(data_dir=directory, **settings))
        self.backend = Backend(platform, broker=self.broker)
        if warehouse is not None:
            self.backend._clickhouse[True] = warehouse
        self.access = Access()
        self._client = TestClient(create_app(self.backend, self.access), raise_server_exceptions=False)

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
        return self._client.get(path, params=parameters, headers=_as(person))

    def post(self, path: str, body: Any, person: str = "ana", if_match: str | None = None) -> Response:
        return self._client.post(path, json=body, headers=_as(person, if_match))

    def put_to(self, path: str, body: Any, person: str = "ana", if_match: str | None = None) -> Response:
        return self._client.put(path, json=body, headers=_as(person, if_match))

    def delete(self, path: str, person: str = "ana", if_match: str | None = None) -> Response:
        return self._client.delete(path, headers=_as(person, if_match))

    def close(self) -> None:
        self._client.close()
        with closing(self.backend):
            # The test's own client is closed by whoever made it.
            self.backend._clickhouse.clear()


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


def _as(person: str, if_match: str | None = None) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {person}"}
    return headers if if_match is None else {**headers, "If-Match": if_match}
