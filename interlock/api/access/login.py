"""Logging in and out: at the OpenID provider, or on a local instance as anybody of the roster."""

import hmac
from typing import Annotated
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse
from itsdangerous import BadData

from interlock.api.access.access import Access
from interlock.api.access.oidc import Attempt
from interlock.api.access.principal import authenticate, refused, session_of
from interlock.api.access.roles import ROLES
from interlock.api.access.same_origin import is_from_this_machine, is_of_another_site, local_path
from interlock.api.access.sessions import (
    SKEW_SECONDS,
    Session,
    end_all_sessions,
    end_session,
    new_session,
    set_cookie,
    sign,
    signer,
)
from interlock.api.problems import Problem

log = structlog.get_logger()

router = APIRouter(prefix="/auth", tags=["login"], include_in_schema=False)

# The page on which a person chooses how to log in; the console has it.
LOGIN_PAGE = "/login"

# To find a password and a second factor.
ATTEMPT_SECONDS = 10 * 60

_PATH = "/auth"
_SEE_OTHER = 303

Next = Annotated[str, Query(max_length=2_000)]


@router.get("/login")
def login(request: Request, next_path: Annotated[Next, Query(alias="next")] = "/") -> RedirectResponse:
    """Begins a login at the provider."""
    access = _access(request)
    target = local_path(next_path)
    if access.oidc is None:
        if access.demo_login:
            return RedirectResponse(f"{LOGIN_PAGE}?{urlencode({'next': target})}", _SEE_OTHER)
        raise _logged(
            request,
            Problem(
                503, "no-login", "nobody can log in: set INTERLOCK_API__OIDC__ISSUER and …__CLIENT_ID, or use a token"
            ),
        )
    attempt = Attempt.begin(target)
    try:
        url = access.oidc.authorization_url(attempt, _callback_address(request))
    except Problem as problem:
        raise _logged(request, problem) from None
    response = RedirectResponse(url, _SEE_OTHER)
    text = sign(signer(access.session_key, "login"), {**attempt._asdict(), "began": access.now()})
    _set_attempt(request, response, text, ATTEMPT_SECONDS)
    return response


@router.get("/callback", name="login_callback")
def callback(
    request: Request,
    state: Annotated[str, Query(max_length=2_000)] = "",
    code: Annotated[str, Query(max_length=4_000)] = "",
    error: Annotated[str, Query(max_length=500)] = "",
    iss: Annotated[str | None, Query(max_length=2_000)] = None,
) -> RedirectResponse:
    """Ends it: the provider sends the browser here."""
    access = _access(request)
    try:
        if access.oidc is None:
            raise Problem(404, "no-login", "no OpenID provider is configured")
        attempt = _attempt(access, request)
        if not hmac.compare_digest(state.encode(), attempt.state.encode()):
            raise Problem(400, "login-state", "this answer belongs to another login; log in again")
        if not access.oidc.is_issuer(iss):
            raise Problem(400, "login-state", "this answer comes from another provider; log in again")
        if error or not code:
            raise Problem(401, "login-refused", f"the provider did not let you in: {error or 'it sent no code'}")
        identity = access.oidc.identity(code, attempt, _callback_address(request))
    except Problem as problem:
        raise _logged(request, problem, str(problem.extra.get("person", ""))) from None
    session = new_session(identity.person, identity.name, identity.roles, access.now())
    response = _logged_in(request, session, attempt.next)
    _set_attempt(request, response, "", 0)
    return response


@router.post("/demo")
def demo(
    request: Request,
    person: Annotated[str, Form(max_length=200)],
    next_path: Annotated[str, Form(alias="next", max_length=2_000)] = "/",
    roles: Annotated[list[str] | None, Form(alias="roles[]")] = None,
) -> RedirectResponse:
    """Logs in as anybody of the roster, without proof, on this machine only. `roles[]`: roles beside the roster's."""
    access = _access(request)
    try:
        if not access.demo_login:
            raise Problem(403, "demo-login-off", "the demo login is off: it exists on local instances without OpenID")
        if not is_from_this_machine(request) or is_of_another_site(request):
            raise Problem(403, "demo-login-not-local", "the demo login works on the machine itself, at localhost")
        session = _demo_session(access, person, frozenset(roles or ()))
    except Problem as problem:
        raise _logged(request, problem, person) from None
    return _logged_in(request, session, local_path(next_path))


@router.post("/logout")
def logout(
    request: Request,
    csrf_token: Annotated[str | None, Form(max_length=200)] = None,
    everywhere: Annotated[bool, Form()] = False,
) -> RedirectResponse:
    """Ends the session; `everywhere`: all sessions of the person."""
    access = _access(request)
    principal = authenticate(request, csrf=csrf_token)
    session = session_of(request)
    if session is None:
        problem = Problem(400, "no-session", "a token has no session: revoke it with DELETE /v1/tokens/ID")
        raise _logged(request, problem, principal.person)
    now = access.now()
    if everywhere:
        end_all_sessions(access.table, session.person, by=principal.person, now=now)
    end_session(access.table, session, by=principal.person, now=now)
    request.state.session_cookie = None
    response = RedirectResponse(LOGIN_PAGE, _SEE_OTHER)
    response.headers.append("set-cookie", access.no_session_cookie(request))
    return response


def _demo_session(access: Access, person: str, asked: frozenset[str]) -> Session:
    known = access.roster().get(person)
    if asked - ROLES.keys():
        raise Problem(422, "unknown-role", f"there is no role {', '.join(sorted(asked - ROLES.keys()))}")
    if known is None:
        people = ", ".join(sorted(access.roster())) or "nobody; `interlock reviewers add` enters somebody"
        raise Problem(404, "unknown-reviewer", f"there is no {person!r} in the roster, which has: {people}")
    # A lead does what reviewers do, and more.
    roles = {"reviewer", str(known["role"])} | (asked - {"reviewer", "lead"})
    return new_session(person, str(known["name"]), roles, access.now(), demo=True)


def _attempt(access: Access, request: Request) -> Attempt:
    """The login that this browser began. Raises Problem."""
    try:
        fields = signer(access.session_key, "login").loads(request.cookies.get(_cookie_name(access), ""))
        began = float(fields.pop("began"))
        attempt = Attempt(**fields)
    except (BadData, KeyError, TypeError, ValueError) as error:
        raise Problem(400, "login-state", "this browser has begun no login, or refuses cookies") from error
    if not -SKEW_SECONDS <= access.now() - began <= ATTEMPT_SECONDS:
        raise Problem(400, "login-state", "the login took too long; log in again")
    return attempt


def _logged_in(request: Request, session: Session, target: str) -> RedirectResponse:
    access = _access(request)
    log.info("logged in", person=session.person, roles=sorted(session.roles), demo=session.demo)
    response = RedirectResponse(target, _SEE_OTHER)
    response.headers.append("set-cookie", access.session_cookie(request, session))
    return response


def _set_attempt(request: Request, response: RedirectResponse, value: str, seconds: int) -> None:
    access = _access(request)
    secure = access.is_secure(request)
    cookie = set_cookie(_cookie_name(access), value, seconds=seconds, secure=secure, path=_PATH)
    response.headers.append("set-cookie", cookie)


def _callback_address(request: Request) -> str:
    return f"{_access(request).address(request)}{_PATH}/callback"


def _cookie_name(access: Access) -> str:
    return access.cookies.name.replace("session", "login")


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


def _logged(request: Request, problem: Problem, person: str = "") -> Problem:
    refused(request, problem, person)
    return problem
