"""A page with every macro of the console and hostile data in all of them, served by a small application of its own."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from jinja2 import ChoiceLoader, FileSystemLoader

from interlock.console import charts, rendering, static_files

SCRIPT = '<script>window.hacked = true</script><img src=x onerror="window.hacked=true">\'"&{{ 7 * 7 }}'
REORDERED = "invoice \u202e001$ gnp.exe\u2066"
LONG = "Donaudampfschifffahrtsgesellschaft" * 12
EMOJI = "👩🏽‍⚖️ 🏳️‍🌈 ✅"
ARABIC = "قرار المراجعة 42"
CONTROL = "bell \x07 escape \x1b[31m red"
HOSTILE = (SCRIPT, REORDERED, LONG, EMOJI, ARABIC, CONTROL, "")

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

SCOPES = frozenset(
    f"{subject}:{right}"
    for subject in (
        "tasks",
        "decisions",
        "policies",
        "proposals",
        "controls",
        "dead-letters",
        "reviewers",
        "metrics",
        "alerts",
        "system",
    )
    for right in ("read", "write")
)


@dataclass(frozen=True)
class Person:
    """As `interlock.api.access.principal.Principal`."""

    person: str = "ann"
    name: str = "Ann Oyelaran"
    roles: frozenset[str] = frozenset({"reviewer", "lead"})
    scopes: frozenset[str] = SCOPES


@dataclass
class World:
    """What the browser asked for, and what it is told."""

    requests: list[tuple[str, str, Any, str]] = field(default_factory=list)
    refreshed: int = 0
    status: int = 200
    stopped: bool = False
    events: list[tuple[str, str]] = field(default_factory=list)


def context(now: datetime = NOW) -> dict[str, Any]:
    """All that the style guide shows."""
    case = {
        "applicant": {"name": "Zoë Ndiaye", "income": 48_000, "note": SCRIPT, REORDERED: CONTROL},
        "amount": 10**12,
        "history": [{"year": 2023 + step, "outcome": word, "paid": step > 0} for step, word in enumerate(HOSTILE[:4])],
        "documents": ["contract.pdf", REORDERED, LONG],
        "essay": "It was a dark and stormy night. " * 60,
        "nothing": None,
        "empty": {},
        "yes": True,
        "small": 0.000_012_34,
    }
    hours = [now - timedelta(hours=step) for step in range(24, -1, -1)]
    arrivals = charts.Line("arrivals", [(at, 40 + 30 * ((step * 7) % 5)) for step, at in enumerate(hours)], area=True)
    decisions = charts.Line("decisions", [(at, 35 + 24 * ((step * 5) % 7)) for step, at in enumerate(hours)])
    return {
        "principal": Person(),
        "csrf_token": "token-1",
        "demo_login": True,
        "halts": [{"scope": "all", "reason": SCRIPT, "set_by": REORDERED, "set_at": now - timedelta(minutes=90)}],
        "now": now,
        "hostile": HOSTILE,
        "case": case,
        "due": now + timedelta(hours=3, minutes=12),
        "begun": now - timedelta(hours=5),
        "late": now - timedelta(minutes=65),
        "lease": now + timedelta(seconds=75),
        "lease_begun": now - timedelta(seconds=225),
        "chart_bars": charts.bars(
            "What weighed in this answer",
            [
                charts.Feature("duration_months", 0.412, "24"),
                charts.Feature("savings", -0.318, "< 100"),
                charts.Feature("credit_history", 0.214, "paid back duly"),
                charts.Feature(SCRIPT, 0.1, REORDERED),
                charts.Feature(LONG, -0.05, LONG),
                charts.Feature("broken", float("nan")),
            ],
        ),
        "chart_calibration": charts.calibration_plot(
            "Calibration",
            [
                charts.Bin(0.1 * step, 0.1 * step - 0.04, 0.1 * step - 0.1, 0.1 * step, 12 * step)
                for step in range(1, 10)
            ],
        ),
        "chart_series": charts.series("Arrivals and decisions", [arrivals, decisions], unit="per hour"),
        "chart_intervals": charts.intervals(
            "Error rate of what was approved automatically",
            [
                charts.Estimate("all", 0.021, 0.016, 0.027, 0.064, 1204),
                charts.Estimate(SCRIPT, 0.034, 0.01, 0.08, 0.02, 88),
                charts.Estimate("too few", None, None, None, None, 3),
            ],
        ),
        "chart_spark": charts.sparkline("Pace", [3, 5, 2, 8, 9, 4, 7]),
        "chart_none": charts.series("Nothing yet", []),
    }


def application(world: World) -> FastAPI:
    """The style guide, what its parts ask for, and a stream of the world's events."""
    app = FastAPI()
    app.include_router(static_files.router)

    @app.get("/styleguide")
    def styleguide(request: Request) -> HTMLResponse:
        return rendering.page(request, "styleguide.html", **context(datetime.now(UTC)))

    @app.get("/fragment")
    def fragment(request: Request) -> HTMLResponse:
        world.refreshed += 1
        return rendering.page(request, "fragment.html", times=world.refreshed)

    @app.api_route("/v1/things/{name}", methods=["GET", "POST", "PUT", "DELETE"])
    async def thing(request: Request, name: str) -> Response:
        body, kind = await request.body(), request.headers.get("Content-Type", "")
        token = request.headers.get("X-CSRF-Token", "")
        world.requests.append((request.method, name, json.loads(body) if "json" in kind else None, token))
        if world.status == 200:
            return JSONResponse({"name": name})
        return JSONResponse(
            {"status": world.status, "code": "lease-lost", "detail": f"Already decided by {SCRIPT} at 12:03."},
            status_code=world.status,
            media_type="application/problem+json",
        )

    @app.get("/v1/events")
    async def events() -> StreamingResponse:
        async def stream() -> AsyncIterator[str]:
            yield ": hello\n\n"
            while not world.stopped:
                while world.events:
                    name, data = world.events.pop(0)
                    yield f"event: {name}\ndata: {data}\n\n"
                await asyncio.sleep(0.02)

        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.get("/banner")
    def banner() -> HTMLResponse:
        return HTMLResponse("")

    @app.get("/{rest:path}")
    def elsewhere(request: Request, rest: str) -> HTMLResponse:
        return rendering.page(request, "elsewhere.html", **{**context(), "rest": rest, "halts": []})

    return app


def add_templates() -> None:
    """Lets the environment of the console find the templates of the style guide."""
    jinja = rendering.environment()
    if not isinstance(jinja.loader, ChoiceLoader):
        own = FileSystemLoader(Path(__file__).parent / "styleguide_templates")
        assert jinja.loader is not None
        jinja.loader = ChoiceLoader([jinja.loader, own])


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of the running application."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    listener.listen()  # who connects before the server runs waits
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
