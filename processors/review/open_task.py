"""What orders, counts and filters an open task, for lists of many."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from interlock.processors.review.escalated import escalated_to
from interlock.processors.review.times import micros


@dataclass(frozen=True, slots=True)
class OpenTask:
    """Nothing in it tells what the AI said, or which tasks are audits or gold. Instants are microseconds since the
    epoch; `holder`: who has it leased or assigned. `decision_id`: the one that reviewers know, which is the task's own:
    that of a gold item's case would lead to the case."""

    task_id: str
    decision_id: str
    queue: str
    domain: str
    priority: str
    state: str
    route: str
    deadline: int
    arrived_at: int
    holder: str
    epoch: int
    breached: bool
    escalation: int
    with_team: bool
    stuck: bool

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Of a `Task` record."""
        return cls(
            task_id=record["task_id"],
            decision_id=record["task_id"],
            queue=record["queue"],
            domain=record["domain"],
            priority=record["priority"],
            state=record["state"],
            route=record["route"],
            deadline=micros(record["deadline"]),
            arrived_at=micros(record["arrived_at"]),
            holder=record["lease_holder"] or record["assigned_to"],
            epoch=record["lease_epoch"],
            breached=record["breached"],
            escalation=record["escalation"],
            with_team=record["with_team"],
            stuck=record["stuck"],
        )

    @property
    def escalated_to(self) -> str:
        """Who may decide it if it was escalated, in words; empty if it was not."""
        return escalated_to(self.escalation, self.with_team)
