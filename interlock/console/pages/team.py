"""Team: who is here, how much each person holds and does, and how well people agree. For balance, not for ranking."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from interlock.api.backend import Backend, backend_of
from interlock.console.asking import Asked, asked
from interlock.console.pages.showing import Team, show
from interlock.processors.desk.hours import is_working, next_change
from interlock.processors.review.times import micros

router = APIRouter()


@dataclass(frozen=True)
class Member:
    """A person now. `numbers`: the row of question `team`, empty where ClickHouse has none.

    `away_until`, `next_change`: microseconds since the epoch, None where there is no such moment. `next_change`: when
    the person's working hours begin, or end.
    """

    id: str
    name: str
    role: str
    queues: tuple[str, ...]
    capacity: int
    load: int
    late: int
    on_duty: bool
    working: bool
    away_until: int | None
    next_change: int | None
    numbers: dict[str, Any]


@router.get("/team")
def team(request: Request, person: Team) -> Response:  # noqa: ARG001 - who may
    backend = backend_of(request)
    numbers = asked(backend, "team")
    members = _members(backend, numbers)
    return show(
        request,
        "parts/team.html" if "hx-request" in request.headers else "team.html",
        members=members,
        few=[one for one in members if one.numbers.get("too_few_overrides")],
        # Verdicts of people who were removed since.
        former=[row for row in numbers.rows if row["reviewer"] not in {member.id for member in members}],
        numbers=numbers,
        total={
            "load": sum(member.load for member in members),
            "capacity": sum(member.capacity for member in members if member.on_duty),
            "on_duty": sum(member.on_duty for member in members),
            "absent": sum(member.away_until is not None for member in members),
        },
    )


def _members(backend: Backend, numbers: Asked) -> list[Member]:
    now, on_duty = backend.now(), backend.board.on_duty
    by_person = {row["reviewer"]: row for row in numbers.rows}
    load: dict[str, int] = {}
    late: dict[str, int] = {}
    for task in backend.board.open_tasks(wanted=lambda task: bool(task.holder)):
        load[task.holder] = load.get(task.holder, 0) + 1
        late[task.holder] = late.get(task.holder, 0) + (task.deadline < now)
    return [
        member(record, now, on_duty=name in on_duty, load=load.get(name, 0), late=late.get(name, 0), row=by_person)
        for name, record in backend.board.reviewers.items()
    ]


def member(
    record: dict[str, Any], now: int, *, on_duty: bool, load: int, late: int, row: dict[str, dict[str, Any]]
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
        working=is_working(exact, now),
        away_until=max(away, default=None),
        next_change=next_change(exact, now),
        numbers=row.get(record["id"], {}),
    )
