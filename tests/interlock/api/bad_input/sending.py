"""Sending what nobody should, and what comes back."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from httpx2 import Response

from tests.interlock.api.api_world import World

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


def post(world: World, path: str, body: bytes | Iterator[bytes], kind: str | None = JSON, **headers: str) -> Response:
    content_type = {} if kind is None else {"content-type": kind}
    return world.client.post(path, content=body, headers={**world.as_person("ana"), **content_type, **headers})


def text(**changes: Any) -> bytes:
    return json.dumps({**DECISION, **changes}).encode()


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
