"""The start page, and the page on which people log in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import RedirectResponse, Response

from interlock.api.access.access import Access
from interlock.api.access.principal import Principal
from interlock.api.access.roles import ROLES
from interlock.api.access.same_origin import is_from_this_machine, local_path
from interlock.api.problems import Problem
from interlock.console.navigation import offered
from interlock.console.pages.showing import needs, show

router = APIRouter()


@router.get("/")
def start(person: Annotated[Principal, Depends(needs())]) -> Response:
    """Goes to the first page that the person may open."""
    groups = offered(person.scopes)
    if not groups:
        raise Problem(403, "no-page", f"{person.person} may open no page: a role gives the right to")
    return RedirectResponse(groups[0][1][0].path, 303)


@router.get("/login")
def login(request: Request, next_path: Annotated[str, Query(alias="next", max_length=2_000)] = "/") -> Response:
    """At the provider, or as anybody of the roster where the demo login is on."""
    access: Access = request.app.state.access
    target = local_path(next_path)
    if access.oidc is not None and not access.demo_login:
        return RedirectResponse(f"/auth/login?{_query(target)}", 303)
    people = sorted(access.roster().values(), key=lambda record: (record["role"] != "lead", record["id"]))
    return show(
        request,
        "login.html",
        people=people,
        roles=[role for role in ROLES if role not in ("reviewer", "lead")],
        target=target,
        provider=access.oidc is not None,
        provider_address=f"/auth/login?{_query(target)}",
        local=access.demo_login and is_from_this_machine(request),
    )


def _query(target: str) -> str:
    from urllib.parse import urlencode

    return urlencode({"next": target})
