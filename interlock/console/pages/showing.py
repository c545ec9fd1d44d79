"""What every page needs: who looks at it, what is halted, and the frame around it."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

import interlock.api.ids  # noqa: F401 - paths of pages name its convertor
from interlock.api.access.access import Access
from interlock.api.access.principal import Principal, authenticate, csrf_token
from interlock.api.backend import backend_of
from interlock.api.problems import Problem
from interlock.console.rendering import page

# Whoever asks for these is no reader of pages.
_FOR_PROGRAMS = ("/v1/", "/metrics")


def needs(*scopes: str) -> Callable[[Request], Principal]:
    """A dependency: whoever opens the page has these scopes. Raises Problem."""

    def visitor(request: Request) -> Principal:
        request.state.principal = authenticate(request, scopes)
        return request.state.principal  # type: ignore[no-any-return]

    return visitor


def show(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page with its frame; call it after `needs`."""
    access: Access = request.app.state.access
    backend = backend_of(request)
    return page(
        request,
        template,
        status=status,
        principal=getattr(request.state, "principal", None),
        csrf_token=csrf_token(request),
        demo_login=access.demo_login,
        halts=backend.board.halts,
        trouble=backend.board.problem,
        **context,
    )


def show_problem(request: Request, problem: Problem) -> Response:
    """A problem as the reader of a page sees it; programs get it as JSON, and so do the scripts of a page."""
    is_page = request.method in ("GET", "HEAD") and not request.url.path.startswith(_FOR_PROGRAMS)
    if not is_page or "hx-request" in request.headers:
        return problem.response()
    if problem.status == 401 and request.method == "GET":
        return RedirectResponse(f"/login?{_next(request)}", 303)
    if not hasattr(request.state, "principal"):
        try:
            request.state.principal = authenticate(request)
        except Problem:
            request.state.principal = None
    response = show(request, "problem.html", status=problem.status, problem=problem)
    response.headers.update(problem.headers)
    return response


def _next(request: Request) -> str:
    from urllib.parse import urlencode

    query = f"?{request.url.query}" if request.url.query else ""
    return urlencode({"next": f"{request.url.path}{query}"})


Work = Annotated[Principal, Depends(needs("tasks:write"))]
Tasks = Annotated[Principal, Depends(needs("tasks:read"))]
Numbers = Annotated[Principal, Depends(needs("metrics:read"))]
Decisions = Annotated[Principal, Depends(needs("decisions:read"))]
Auditor = Annotated[Principal, Depends(needs("audit:read"))]
Team = Annotated[Principal, Depends(needs("reviewers:read"))]
