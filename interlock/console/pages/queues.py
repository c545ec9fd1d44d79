"""Queues: what waits, how long, who is on duty; and the open tasks as a list."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from interlock.api import work
from interlock.api.backend import Backend, backend_of
from interlock.console.asking import asked
from interlock.console.charts import Chart, Line, series
from interlock.console.pages.showing import Tasks, show
from interlock.console.rendering import zone_name_of
from interlock.console.text import instant
from interlock.processors.review.queue_counts import QueueCounts
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter()

# A screen and a half; the rest comes with "next rows".
_ROWS = 50

# A day and its night, as the heading of the chart says.
_RATE_HOURS = 24

Name = Annotated[str, Query(max_length=MAX_ID_BYTES)]


@router.get("/queues")
def queues(request: Request, person: Tasks) -> Response:  # noqa: ARG001 - who may
    return show(request, "queues.html", **_overview(backend_of(request)))


@router.get("/queues/numbers")
def numbers(request: Request, person: Tasks) -> Response:  # noqa: ARG001
    """What ClickHouse knows of the queues; the page does not wait for it."""
    backend = backend_of(request)
    rates = asked(backend, "queue_flow", hours=_RATE_HOURS)
    levels = asked(backend, "sla")
    chart = rate_chart(rates.rows, instant(backend.now()), zone_name_of(request))
    return show(request, "parts/queue_numbers.html", rates=rates, rate_chart=chart, levels=levels)


@router.get("/queues/overview")
def overview(request: Request, person: Tasks) -> Response:  # noqa: ARG001
    """The part that changes by itself."""
    return show(request, "parts/queues.html", **_overview(backend_of(request)))


@router.get("/tasks")
def tasks(
    request: Request,
    person: Tasks,
    queue: Name = "",
    state: Name = "",
    priority: Name = "",
    domain: Name = "",
    holder: Name = "",
    overdue: bool = False,
    cursor: Annotated[str, Query(max_length=1_000)] = "",
) -> Response:
    """Open tasks, earliest deadline first."""
    backend = backend_of(request)
    chosen = {"queue": queue, "state": state, "priority": priority, "domain": domain, "holder": holder}
    filters = {name: value for name, value in chosen.items() if value} | ({"overdue": "true"} if overdue else {})
    now = backend.now()
    found = backend.board.open_tasks(
        queue,
        after=work.from_cursor(cursor),
        limit=_ROWS + 1,
        wanted=work.wanted(
            state=state, priority=priority, domain=domain, holder=holder, overdue_at=now if overdue else None
        ),
    )
    shown = found[:_ROWS]
    following = urlencode({**filters, "cursor": work.cursor_of(shown[-1])}) if len(found) > _ROWS else ""
    template = "parts/task_list.html" if "hx-request" in request.headers else "tasks.html"
    return show(
        request,
        template,
        tasks=shown,
        filters=chosen | {"overdue": overdue},
        here=f"/tasks?{urlencode(filters | ({'cursor': cursor} if cursor else {}))}",
        first=f"/tasks?{urlencode(filters)}" if cursor else "",
        following=f"/tasks?{following}" if following else "",
        total=backend.board.count(),
        reviewers=sorted(backend.board.reviewers),
        queue_names=sorted(counts.queue for counts in work.queue_counts(backend)),
        lead="lead" in person.roles,
    )


def _overview(backend: Backend) -> dict[str, Any]:
    counts = work.queue_counts(backend)
    on_duty, reviewers = backend.board.on_duty, backend.board.reviewers
    return {
        "queues": counts,
        "totals": _totals(counts),
        "duty": [
            {"id": name, "name": reviewers[name]["name"], "role": reviewers[name]["role"]} for name in sorted(on_duty)
        ],
        "enrolled": len(reviewers),
    }


def _totals(counts: list[QueueCounts]) -> dict[str, int]:
    names = ("open", "waiting", "assigned", "leased", "snoozed", "overdue", "due_soon")
    return {name: sum(getattr(queue, name) for queue in counts) for name in names} | {
        "oldest_seconds": max((queue.oldest_seconds for queue in counts), default=0)
    }


def rate_chart(rows: Sequence[Mapping[str, Any]], now: datetime, zone: str) -> Chart:
    """Arrivals and decisions of all queues, an hour each. Hours without a row are zero."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    hours = [this_hour - timedelta(hours=ago) for ago in reversed(range(_RATE_HOURS + 1))]
    counted = {name: dict.fromkeys(hours, 0) for name in ("arrived", "decided")}
    for row in rows:
        for name, counts in counted.items():
            hour = instant(row["hour"])
            if hour in counts:
                counts[hour] += row[name]
    lines = [Line(name, [(hour, float(count)) for hour, count in counts.items()]) for name, counts in counted.items()]
    return series("Arrived and decided each hour", lines if rows else [], zone=zone)
