"""What a task is about, as a reviewer's tool has fetched it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Payload:
    """A `RoutedDecision` record. `verified`: its bytes have the task's hash. `note`: what a reviewer must know of where
    it comes from, or empty. `damage`: what cannot be read of it, in sentences; none for a record that is whole."""

    routed: dict[str, Any]
    verified: bool
    note: str = ""
    damage: tuple[str, ...] = ()
