"""The API with the console on Kafka in memory, and browsers of people who are logged in. ClickHouse is away."""

from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from interlock.api.access.access import Access
from interlock.api.access.sessions import new_session
from interlock.api.access.table import AccessTable
from interlock.api.app import create_app
from interlock.api.backend import Backend
from interlock.console.server import install
from interlock.platform.connection import Platform
from interlock.platform.settings import Settings
from interlock.policies import publishing
from interlock.schemas import catalogue, wire
from interlock.streams.clock import SystemClock
from interlock.streams.memory import MemoryBroker
from interlock.streams.ports import TopicSpec

HERE = "http://localhost:8080"
_KEY = bytes(range(32))

POLICY = """\
name: lending
domains:
  loans:
    models: [scorer]
    outcomes: [approve, reject]
    lanes:
      approve: {auto: 0.95, async: 0.50}
      reject: {async: 0.50}
    queue: underwriting
"""


class World:
    """A cluster with every topic, and one server."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.broker = MemoryBroker(SystemClock())
        self.broker.create_topics([TopicSpec(each.name, each.partitions, each.config()) for each in catalogue.TOPICS])
        platform = Platform(Settings(data_dir=directory, **settings))
        self.backend = Backend(platform, broker=self.broker)
        self.table = AccessTable(self.broker)
        self.access = Access(platform.settings.api, _KEY, self.table, lambda: self.backend.board.reviewers)
        self.app = create_app(self.backend, self.access, install)

    def browser(self, person: str, *roles: str) -> "Browser":
        """A browser in which the person is logged in with these roles."""
        return Browser(self, person, roles)

    def with_token(self, token: str, path: str) -> str:
        """A page as somebody with a token sees it."""
        client = TestClient(self.app, HERE, follow_redirects=False)
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).text

    def put(self, topic: catalogue.Topic, key: str, record: dict[str, Any]) -> None:
        """Writes one record."""
        assert topic.schema is not None
        publishing.send(self.broker, topic, key, wire.encode(topic.schema, record))

    def close(self) -> None:
        self.table.close()
        self.backend.close()


class Browser:
    """What a person's browser asks for."""

    def __init__(self, world: World, person: str, roles: tuple[str, ...]) -> None:
        session = new_session(person, person.title(), roles, world.access.now())
        self._client = TestClient(world.app, HERE, follow_redirects=False, raise_server_exceptions=False)
        # The cookie jar knows localhost by this name.
        value = world.access.cookies.value(session, world.access.now())
        self._client.cookies.set(world.access.cookies.name, value, "localhost.local")
        self._headers = {"X-CSRF-Token": world.access.cookies.csrf_token(session)}

    def page(self, path: str, status: int = 200, *, part: bool = False) -> str:
        """The text of a page, or of the part of it that is fetched again."""
        response = self._client.get(path, headers={"HX-Request": "true"} if part else {})
        assert response.status_code == status, response.text
        if not path.startswith("/v1/"):
            assert response.headers["content-type"].startswith("text/html") or part
        return response.text

    def send(self, method: str, path: str, body: Any = None, if_match: str = "") -> Any:
        """What the page's scripts send."""
        headers = self._headers | ({"If-Match": if_match} if if_match else {})
        return self._client.request(method, path, json=body, headers=headers)
