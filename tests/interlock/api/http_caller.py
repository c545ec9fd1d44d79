"""One person or program that asks the HTTP API as its documentation says: after a lost connection or a 503 again."""

import threading
import time
from typing import Any

import httpx2

# While a broker restarts; then the processes that use it catch up.
PATIENCE_SECONDS = 180.0

# What a caller waits at most before it asks again; the answer says 5 s, which a test has no time for.
_PAUSE_SECONDS = 0.3


class HttpCaller:
    """`servers`: addresses without a slash at the end; after a failure the next is asked. Not for several threads."""

    def __init__(self, servers: list[str], token: str) -> None:
        self._servers = servers
        self._asked = 0
        self._client = httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=70)
        self.failures = 0
        """How often it had to ask again because nobody answered."""

    def get(self, path: str) -> httpx2.Response:
        return self._ask("GET", path)

    def post(self, path: str, body: Any = None, key: str | None = None) -> httpx2.Response:
        """`key`: under which a repeated command is carried out once."""
        return self._ask("POST", path, json=body, headers={} if key is None else {"Idempotency-Key": key})

    def put(self, path: str, body: Any) -> httpx2.Response:
        return self._ask("PUT", path, json=body)

    def delete(self, path: str) -> httpx2.Response:
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **request: Any) -> httpx2.Response:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            address = self._servers[self._asked % len(self._servers)] + path
            try:
                response = self._client.request(method, address, **request)
                if response.status_code != 503:
                    return response
                problem = response.text
            except httpx2.TransportError as error:
                problem = repr(error)
            assert time.monotonic() < deadline, f"{method} {address}: {problem}"
            self.failures += 1
            self._asked += 1
            threading.Event().wait(_PAUSE_SECONDS)

    def close(self) -> None:
        self._client.close()
