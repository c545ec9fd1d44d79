"""Who asks: the principal of a request, from a bearer token or the cookie of a session.

person: Annotated[Principal, Security(authenticated, scopes=["tasks:write"])]
"""

import hmac
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

import structlog
from fastapi import Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from interlock.api.access.access import Access
from interlock.api.access.roles import ROLES, SCOPES, roles_with, scopes_of
from interlock.api.access.same_origin import CSRF_HEADER, SAFE_METHODS, is_of_another_site
from interlock.api.access.sessions import Session, SessionError
from interlock.api.access.tokens import TokenError, verified
from interlock.api.problems import Problem

__all__ = ["ROLES", "SCOPES", "Principal", "authenticate", "authenticated", "csrf_token"]

log = structlog.get_logger()

_CHALLENGE = 'Bearer realm="interlock"'


@dataclass(frozen=True)
class Principal:
    """Who asks. `person`: the id that commands carry. `credential`: id of the token or session."""

    person: str
    name: str
    roles: frozenset[str]
    scopes: frozenset[str]
    kind: Literal["session", "token"]
    credential: str = ""


_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token that `interlock tokens create` made.")
_cookie = APIKeyCookie(
    name="interlock_session",
    auto_error=False,
    scheme_name="session",
    description=f"The session of a browser. Its name ends with _ and eight hex digits of the instance, and everything "
    f"that changes something needs the header {CSRF_HEADER} with the `csrf_token` of `/v1/me`.",
)


async def authenticated(
    security_scopes: SecurityScopes,
    request: Request,
    _token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)] = None,  # the two are read below;
    _session: Annotated[str | None, Security(_cookie)] = None,  # here they are documented
) -> Principal:
    """FastAPI's dependency: whoever asks has all scopes of the route. Raises Problem: 401, 403 or 429.

    It waits for nothing, and a thread for it would cost more than it does."""
    return authenticate(request, security_scopes.scopes)


def authenticate(request: Request, scopes: Collection[str] = (), *, csrf: str | None = None) -> Principal:
    """The same for functions. `csrf`: what a form sent instead of the header."""
    access: Access = request.app.state.access
    principal: Principal | None = None
    try:
        principal = _identified(access, request, csrf)
        _limited(access, principal)
        _permitted(principal, scopes)
    except Problem as problem:
        refused(request, problem, principal.person if principal else "", scopes)
        raise
    if request.method not in SAFE_METHODS:
        log.info("write", person=principal.person, kind=principal.kind, method=request.method, path=request.url.path)
    return principal


def csrf_token(request: Request) -> str:
    """What pages send back in X-CSRF-Token; empty where no session asks. After `authenticate`."""
    return str(getattr(request.state, "csrf_token", ""))


def session_of(request: Request) -> Session | None:
    """The session that asks, None where a token does. After `authenticate`."""
    session: Session | None = getattr(request.state, "session", None)
    return session


def refused(request: Request, problem: Problem, person: str = "", scopes: Collection[str] = ()) -> None:
    """Logs a refusal."""
    log.warning(
        "refused",
        person=person,
        scope=problem.extra.get("scope", " ".join(scopes)),
        method=request.method,
        path=request.url.path,
        code=problem.code,
    )


def _identified(access: Access, request: Request, csrf: str | None) -> Principal:
    writes = request.method not in SAFE_METHODS
    if writes and is_of_another_site(request, access.settings.url):
        raise Problem(403, "cross-site", "a page of another site caused this request: nothing was changed")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _of_token(access, credentials.strip())
    cookie = request.cookies.get(access.cookies.name)
    if not cookie:
        raise _unauthenticated("unauthenticated", "log in, or send a token: Authorization: Bearer ilk_…")
    session = _session_in(access, request, cookie)
    if writes and not _is_own_page(access, request, session, csrf):
        raise Problem(
            403, "csrf", f"the header {CSRF_HEADER} is missing or belongs to another session: load the page again"
        )
    roles = session.roles & ROLES.keys()
    return Principal(session.person, session.name, roles, scopes_of(roles), "session", session.id)


def _of_token(access: Access, text: str) -> Principal:
    try:
        record = verified(access.table, text, access.now())
    except TokenError as error:
        raise _unauthenticated(error.code, str(error), invalid=True) from error
    roles = frozenset(record["roles"]) & ROLES.keys()
    scopes = scopes_of(record["roles"], record["scopes"])
    return Principal(record["person"], record["name"], roles, scopes, "token", record["id"])


def _session_in(access: Access, request: Request, cookie: str) -> Session:
    try:
        session, renew = access.cookies.read(cookie, access.table, access.now())
    except SessionError as error:
        raise _unauthenticated(error.code, str(error)) from error
    if session.demo and not access.demo_login:
        raise _unauthenticated("session-revoked", "the demo login is switched off; log in again")
    request.state.session = session
    request.state.csrf_token = access.cookies.csrf_token(session)
    if renew:
        request.state.session_cookie = access.session_cookie(request, session)
    return session


def _is_own_page(access: Access, request: Request, session: Session, csrf: str | None) -> bool:
    sent = csrf if csrf is not None else request.headers.get(CSRF_HEADER, "")
    return hmac.compare_digest(sent.encode(), access.cookies.csrf_token(session).encode())


def _limited(access: Access, principal: Principal) -> None:
    # Not by session: whoever logs in again would begin anew.
    wait = access.rate_limiter.wait(
        f"token:{principal.credential}" if principal.kind == "token" else f"person:{principal.person}"
    )
    if wait:
        raise Problem(
            429,
            "too-many-requests",
            f"more than {access.settings.requests_per_second:g} requests a second: slow down, or send batches",
            headers={"Retry-After": str(math.ceil(wait))},
        )


def _permitted(principal: Principal, scopes: Collection[str]) -> None:
    missing = sorted(set(scopes) - principal.scopes)
    if missing:
        granted_by = roles_with(missing[0])
        raise Problem(
            403,
            "missing-scope",
            f"this needs the scope {missing[0]}, which {principal.person} does not have; roles that have it: "
            f"{', '.join(granted_by) or 'none, only tokens'}",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{" ".join(scopes)}"'},
            scope=missing[0],
            granted_by=granted_by,
        )


def _unauthenticated(code: str, detail: str, *, invalid: bool = False) -> Problem:
    challenge = f'{_CHALLENGE}, error="invalid_token"' if invalid else _CHALLENGE
    return Problem(401, code, detail, headers={"WWW-Authenticate": challenge})
