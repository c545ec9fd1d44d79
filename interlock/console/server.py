"""The role `console`: the HTTP API and the pages that people work with."""

import threading

from fastapi import APIRouter, FastAPI

from interlock.api.server import serve
from interlock.console import static_files
from interlock.console.pages import (
    alerts,
    answers,
    controls,
    dead_letters,
    decisions,
    entrance,
    fairness,
    policies,
    policy_replay,
    proposals,
    quality,
    queues,
    reviewers,
    showing,
    system,
    task,
    team,
    work,
)
from interlock.platform.connection import Platform

# `task` last: an id may be called like a page.
PAGES = (
    entrance.router,
    queues.router,
    work.router,
    answers.router,
    decisions.router,
    team.router,
    quality.router,
    fairness.router,
    policies.router,
    policy_replay.router,
    proposals.router,
    controls.router,
    dead_letters.router,
    reviewers.router,
    alerts.router,
    system.router,
    task.router,
)

# Included once: FastAPI builds their handlers for each inclusion.
_EVERYTHING = APIRouter()
for _router in (static_files.router, *PAGES):
    _EVERYTHING.include_router(_router, include_in_schema=False)


def run(platform: Platform, stop: threading.Event) -> None:
    """Serves until SIGTERM."""
    serve(platform, stop, install)


def install(app: FastAPI) -> None:
    """Adds the pages to the API's application, and shows problems as pages."""
    app.router.routes.extend(_EVERYTHING.routes)
    app.state.show_problem = showing.show_problem
