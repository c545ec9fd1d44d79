"""Messages for the router's tests."""

from dataclasses import dataclass
from typing import Any

from interlock.schemas import wire

# 2026-01-01T00:00:00Z in microseconds.
NOW = 1_767_225_600_000_000


@dataclass
class Sent:
    """A message as a consumer hands it out."""

    record_key: bytes | None
    record_value: bytes | None
    record_headers: list[tuple[str, bytes | None]] | None = None
    record_offset: int = 0
    record_topic: str = "decisions"
    record_partition: int = 0
    headers_are_unreadable: bool = False

    def topic(self) -> str:
        return self.record_topic

    def partition(self) -> int:
        return self.record_partition

    def offset(self) -> int:
        return self.record_offset

    def key(self) -> bytes | None:
        return self.record_key

    def value(self) -> bytes | None:
        return self.record_value

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        if self.headers_are_unreadable:
            raise SystemError
        return self.record_headers

    def timestamp(self) -> tuple[int, int]:
        return 0, 0

    def set_headers(self, headers: list[tuple[str, bytes | None]]) -> None:
        self.record_headers, self.headers_are_unreadable = headers, False


def decision(decision_id: str = "d-1", **fields: Any) -> dict[str, Any]:
    """A decision that the test policy would let take effect."""
    return {
        "decision_id": decision_id,
        "domain": "loans",
        "model_id": "m",
        "model_version": "1",
        "prediction": "approve",
        "confidence": 0.99,
        "created_at": NOW,
        **fields,
    }


def sent(decision_id: str = "d-1", **fields: Any) -> Sent:
    """That decision as a message."""
    return Sent(decision_id.encode(), wire.encode("Decision", decision(decision_id, **fields)))
