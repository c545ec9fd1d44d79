"""My work: what I hold, what is meant for me, what I decided, and how I am doing."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from interlock.api import work
from interlock.api.backend import backend_of
from interlock.console.asking import asked
from interlock.console.pages.showing import Work, show

router = APIRouter()


@router.get("/work")
def my_work(request: Request, person: Work) -> Response:
    backend = backend_of(request)
    mine = backend.board.open_tasks(wanted=work.wanted(holder=person.person))
    template = "parts/my_tasks.html" if "hx-request" in request.headers else "work.html"
    record = backend.board.reviewers.get(person.person)
    context: dict[str, Any] = {
        "tasks": mine,
        "record": record,
        "on_duty": person.person in backend.board.on_duty,
        "waiting": sum(queue.waiting for queue in work.queue_counts(backend)),
    }
    if template == "work.html":
        context |= {
            "verdicts": asked(backend, "my_verdicts", reviewer=person.person),
            "pace": asked(backend, "my_numbers", reviewer=person.person),
        }
    return show(request, template, **context)
