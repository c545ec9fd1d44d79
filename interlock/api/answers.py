"""Answers as JSON: times in ISO 8601, nothing hidden in texts, tags for what can be stale."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi.responses import Response

from interlock.platform.printing import visible_json


def answer(facts: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One JSON document."""
    return Response(visible_json(facts, _plain), status, headers, "application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)
