"""What a task is about, once it has been fetched."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Payload:
    """A `RoutedDecision` record. `verified`: its bytes have the task's hash. `note`: what a reviewer must know of where
    it comes from, or empty."""

    routed: dict[str, Any]
    verified: bool
    note: str = ""
