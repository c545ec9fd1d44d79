"""Team: who is here, how much each person holds and does, and how well people agree. For balance, not for ranking."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from interlock.api.backend import Backend, backend_of
from interlock.console.asking import FAILURES, asked, reason_of
from interlock.console.pages.showing import Team, show
from interlock.operations.reliance import reliance_report
from interlock.processors.desk.hours import is_working, next_change
from interlock.processors.review.times import micros

router = APIRouter()

# A quarter: gold items are few.
RELIANCE_DAYS = 90


@dataclass(frozen=True)
class Member:
    """A person now. Instants are microseconds since the epoch, None where there is no such moment.

    `paused_since`, `pause_reason`: since when and why nothing is pushed to a person on duty. `away_until`: end of the
    time off that the person has now. `next_change`: when working hours begin, or end.
    """

    id: str
    name: str
    role: str
    queues: tuple[str, ...]
    capacity: int
    load: int
    late: int
    on_duty: bool
    paused_since: datetime | None
    pause_reason: str
    working: bool
    away_until: int | None
    next_change: int | None


@router.get("/team")
def team(request: Request, person: Team) -> Response:  # noqa: ARG001 - who may
    """The part that changes by itself asks no ClickHouse: it changes with every task."""
    backend = backend_of(request)
    members = _members(backend)
    context: dict[str, Any] = {
        "members": members,
        "total": {
            "load": sum(member.load for member in members),
            "capacity": sum(member.capacity for member in members if member.on_duty),
            "on_duty": sum(member.on_duty for member in members),
            "absent": sum(member.away_until is not None for member in members),
        },
    }
    if "hx-request" in request.headers:
        return show(request, "parts/team.html", **context)
    numbers = asked(backend, "team")
    few = [row for row in numbers.rows if row["too_few_overrides"]]
    return show(request, "team.html", **context, numbers=numbers, few=few, **_reliance(backend))


def _reliance(backend: Backend) -> dict[str, Any]:
    """The report of the reliance experiment, or why it cannot be shown."""
    try:
        with backend.clickhouse() as client:
            return {"relied": reliance_report(client, RELIANCE_DAYS)["reliance"], "relied_problem": ""}
    except FAILURES as error:
        return {"relied": [], "relied_problem": reason_of(error)}


def _members(backend: Backend) -> list[Member]:
    now, on_duty, paused = backend.now(), backend.board.on_duty, backend.board.paused
    held = backend.board.open_tasks(wanted=lambda task: bool(task.holder))
    load = Counter(task.holder for task in held)
    late = Counter(task.holder for task in held if task.deadline < now)
    return [
        member(record, now, on_duty=name in on_duty, pause=paused.get(name), load=load[name], late=late[name])
        for name, record in backend.board.reviewers.items()
    ]


def member(
    record: dict[str, Any], now: int, *, on_duty: bool, load: int, late: int, pause: dict[str, Any] | None = None
) -> Member:
    """The person of a `Reviewer` record at `now` (microseconds since the epoch)."""
    times_off = [{name: micros(off[name]) for name in ("start", "end")} for off in record["time_off"]]
    exact = {**record, "time_off": times_off}
    away = [off["end"] for off in times_off if off["start"] <= now < off["end"]]
    return Member(
        id=record["id"],
        name=record["name"],
        role=record["role"],
        queues=tuple(record["queues"]),
        capacity=record["capacity"],
        load=load,
        late=late,
        on_duty=on_duty,
        paused_since=pause["paused_since"] if pause else None,
        pause_reason=pause["pause_reason"] if pause else "",
        working=is_working(exact, now),
        away_until=max(away, default=None),
        next_change=next_change(exact, now),
    )
