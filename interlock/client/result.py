"""What a caller is told about a decision."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self

from interlock.errors import InterlockError
from interlock.schemas import json_text


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What is known about a decision. Act on `outcome` only where `status` is decided."""

    decision_id: str
    status: Literal["decided", "escalated", "waiting"]
    """decided: `outcome` holds. escalated: a lead was asked. waiting: it waits in a queue, not as a sync review."""
    outcome: str = ""
    source: str = ""
    """auto (took effect by itself), or as in Resolution: review, policy, window, override, appeal, timeout."""
    version: int = 0
    """Of the resolution; 0 if there is none yet."""
    final: bool = False
    """False while there is no resolution, or while an override can roll it back (until `override_until`)."""
    override_until: datetime | None = None
    decided_by: tuple[str, ...] = ()
    decided_at: datetime | None = None
    verdict: str = ""
    reason_code: str = ""
    reason_text: str = ""
    modifications: dict[str, Any] = field(default_factory=dict)
    """Fields that the reviewer changed."""
    notices: tuple[str, ...] = ()
    """What the subject must be told."""
    message: str = ""
    """If there is no resolution yet: what happened and what to do."""

    @classmethod
    def from_routed(cls, record: dict[str, Any]) -> Self:
        """The resolution in a record of `decisions.auto-approved`."""
        return cls(
            decision_id=record["decision"]["decision_id"],
            status="decided",
            outcome=record["decision"]["prediction"],
            source="auto",
            version=1,
            # The desk says until when an audit may roll it back.
            final=record["override_until"] is None and not record["audit"],
            override_until=record["override_until"],
            decided_at=record["routed_at"],
            reason_text=", ".join(record["reasons"]),
            notices=tuple(record["notices"]),
        )

    @classmethod
    def from_resolution(cls, record: dict[str, Any]) -> Self:
        """The resolution in a record of `resolutions`."""
        copied = ("decision_id", "outcome", "source", "version", "final", "override_until", "decided_at", "verdict")
        return cls(
            status="decided",
            **{name: record[name] for name in (*copied, "reason_code", "reason_text")},
            decided_by=tuple(record["decided_by"]),
            modifications=json_text.parse(record["modifications"] or "{}"),
            notices=tuple(record["notices"]),
        )


class NotDecidedError(InterlockError):
    """There is no resolution of the decision `decision_id`: as far as is known, nothing has taken effect.

    `code`: no-answer, unknown-task or already-decided (of the desk), still-open, closed, or not-listening. Where the
    router has refused the decision, the reason of its dead letter: `contradiction` if another decision was submitted
    under the same id.
    """

    def __init__(self, decision_id: str, code: str, message: str) -> None:
        super().__init__(f"decision {decision_id}: {message}")
        self.decision_id = decision_id
        self.code = code
