"""My work: what I hold, what is meant for me, what I decided, and how I am doing."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from interlock.api import work
from interlock.api.backend import backend_of
from interlock.console.asking import Asked, asked
from interlock.console.pages.showing import Work, show
from interlock.console.text import interval, number, percent, span

router = APIRouter()

# How far back a person's own numbers look, as the page says.
_DAYS = 7
# What somebody remembers, and looks up.
_VERDICTS = 20


@router.get("/work")
def my_work(request: Request, person: Work) -> Response:
    backend = backend_of(request)
    mine = backend.board.open_tasks(wanted=work.wanted(holder=person.person))
    template = "parts/my_tasks.html" if "hx-request" in request.headers else "work.html"
    record = backend.board.reviewers.get(person.person)
    return show(
        request,
        template,
        tasks=mine,
        record=record,
        on_duty=person.person in backend.board.on_duty,
        pause=backend.board.paused.get(person.person),
        waiting=sum(queue.waiting for queue in work.queue_counts(backend)),
    )


@router.get("/work/numbers")
def my_numbers(request: Request, person: Work) -> Response:
    """What ClickHouse knows of the person; the page does not wait for it."""
    backend = backend_of(request)
    pace = asked(backend, "my_pace", reviewer=person.person, days=_DAYS)
    agreement = asked(backend, "my_agreement", reviewer=person.person)
    return show(
        request,
        "parts/my_numbers.html",
        verdicts=asked(backend, "verdicts", reviewer=person.person, days=_DAYS, limit=_VERDICTS),
        pace=pace,
        agreement=agreement,
        pace_tiles=pace_tiles(pace) + agreement_tiles(agreement),
    )


def pace_tiles(pace: Asked) -> list[dict[str, Any]]:
    """Tiles of how much a person decided; empty where there is no verdict."""
    if not pace.rows:
        return []
    decided = sum(day["decided"] for day in pace.rows)
    hours = sum(day["active_hours"] for day in pace.rows)
    in_time = sum(day["decided"] * day["within_sla_share"] for day in pace.rows)
    latest = pace.rows[-1]
    links = {"sql": pace.sql, "rows": pace.rows_address}
    week = f"of the last {_DAYS} days, gold items left out"
    return [
        {"label": "Decided", "value": number(decided), "population": f"verdicts {week}", **links},
        {
            "label": "Per active hour",
            "value": number(decided / hours, 1),
            "population": f"verdicts by clock hours with any, {week}",
            **links,
        },
        {
            "label": "In time",
            "value": percent(in_time / decided),
            "population": f"before the deadline, of {number(decided)} verdicts {week}",
            **links,
        },
        {
            "label": "From claim to verdict",
            "value": span(latest["median_handling_seconds"]),
            "population": f"median of the verdicts of {latest['day']} (UTC)",
            **links,
        },
    ]


def agreement_tiles(agreement: Asked) -> list[dict[str, Any]]:
    """Tiles of how far others agree with a person, and how often the person departs from the AI."""
    row = agreement.row
    if not row:
        return []
    links = {"sql": agreement.sql, "rows": agreement.rows_address}
    return [
        {
            "label": "Others agreed",
            "value": percent(row["agreement"]),
            "interval": interval(row["agreement_lower"], row["agreement_upper"]),
            "population": f"of {number(row['judged_again'])} verdicts that somebody else judged again",
            **links,
        },
        {
            "label": "Overridden",
            "value": percent(row["seen_override_rate"]),
            "interval": interval(row["seen_override_rate_lower"], row["seen_override_rate_upper"]),
            "population": f"of {number(row['seen_verdicts'])} first reviews with the AI's answer in view",
            **links,
        },
    ]
