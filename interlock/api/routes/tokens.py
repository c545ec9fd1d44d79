"""Tokens, and who one is."""

from datetime import UTC, datetime
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Path, Request, Security
from pydantic import BaseModel, ConfigDict, Field

from interlock.api.access import tokens
from interlock.api.access.access import Access
from interlock.api.access.principal import Principal, authenticated, csrf_token, refused
from interlock.api.access.roles import ROLES, SCOPES, scopes_of
from interlock.api.access.table import Record
from interlock.api.problems import Problem
from interlock.errors import UsageError

log = structlog.get_logger()

router = APIRouter(prefix="/v1", tags=["access"])

# What counts because of who did it: nobody signs, decides or publishes in the name of somebody else.
PERSONAL_SCOPES = frozenset({"tasks:write", "policies:write", "proposals:write"})

# Ten years: whoever wants more wants a token without an end, which only the command line makes.
_MOST_DAYS = 3650

Person = Annotated[Principal, Security(authenticated, scopes=["tokens:write"])]


class TokenRequest(BaseModel):
    """A token to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "loan service", "person": "loans", "scopes": ["decisions:write"]}]},
    )

    name: str = Field(min_length=1, max_length=tokens.LONGEST_NAME, description="For people.")
    person: str | None = Field(
        None, min_length=1, max_length=tokens.LONGEST_NAME, description="Whose commands its commands are; else yours."
    )
    roles: list[str] = Field(default_factory=list, max_length=len(ROLES))
    scopes: list[str] = Field(default_factory=list, max_length=len(SCOPES))
    days: int = Field(tokens.DEFAULT_DAYS, ge=1, le=_MOST_DAYS, description="How long it is good for.")


class Token(BaseModel):
    """A token without its secret."""

    id: str
    name: str
    person: str
    roles: list[str]
    scopes: list[str]
    state: str = Field(description="active, expired or revoked")
    created_at: datetime | None
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str


class NewToken(Token):
    """A token that was just made."""

    token: str = Field(description="What to send as `Authorization: Bearer …`. It is shown this once.")


class Tokens(BaseModel):
    """All tokens."""

    items: list[Token]


class Me(BaseModel):
    """Who asks."""

    person: str
    name: str
    kind: str = Field(description="session or token")
    roles: list[str]
    scopes: list[str]
    demo: bool = Field(description="Whether anybody on this machine may log in as anybody.")
    csrf_token: str = Field(description="For the header X-CSRF-Token of a session; empty for a token.")


@router.get("/me")
def me(request: Request, person: Annotated[Principal, Security(authenticated, scopes=[])]) -> Me:
    """Who asks, and what they may do."""
    return Me(
        person=person.person,
        name=person.name,
        kind=person.kind,
        roles=sorted(person.roles),
        scopes=sorted(person.scopes),
        demo=_access(request).demo_login,
        csrf_token=csrf_token(request),
    )


@router.get("/tokens")
def list_tokens(request: Request, person: Person) -> Tokens:  # noqa: ARG001 - who asks is checked
    """All tokens, ended ones too, the oldest first."""
    access = _access(request)
    return Tokens(items=[Token(**shown(record, access.now())) for record in tokens.list_tokens(access.table)])


@router.post("/tokens", status_code=201)
def create_token(request: Request, wanted: TokenRequest, person: Person) -> NewToken:
    """Make a token that may do no more than you may."""
    access = _access(request)
    try:
        made = tokens.new_token(
            name=wanted.name,
            person=wanted.person or person.person,
            roles=wanted.roles,
            scopes=wanted.scopes,
            created_by=person.person,
            now=access.now(),
            days=wanted.days,
        )
        _check_rights(person, made.record)
    except UsageError as error:
        raise Problem(422, "invalid", str(error)) from error
    except Problem as problem:
        refused(request, problem, person.person)
        raise
    access.table.write(made.record)
    log.info("token made", token=made.record["id"], person=made.record["person"], by=person.person)
    return NewToken(**shown(made.record, access.now()), token=made.text)


@router.delete("/tokens/{token_id}")
def revoke_token(request: Request, token_id: Annotated[str, Path(max_length=100)], person: Person) -> Token:
    """End a token for good. One that was revoked before stays as it is."""
    access = _access(request)
    try:
        record = tokens.revoke_token(access.table, token_id, by=person.person, now=access.now())
    except tokens.TokenError as error:
        raise Problem(404, error.code, str(error)) from error
    log.info("token revoked", token=token_id, by=person.person)
    return Token(**shown(record, access.now()))


def shown(record: Record, now: float) -> dict[str, Any]:
    """A token without the hash of its secret."""
    fields = {key: value for key, value in record.items() if key in Token.model_fields}
    moments = {key: _moment(record[key]) for key in ("created_at", "expires_at", "revoked_at")}
    return {**fields, **moments, "state": tokens.state_of(record, now)}


def _check_rights(person: Principal, record: Record) -> None:
    scopes = scopes_of(record["roles"], record["scopes"])
    more = sorted(scopes - person.scopes)
    if more:
        detail = f"a token may do no more than who makes it, and you have not: {', '.join(more)}"
        raise Problem(403, "missing-scope", detail, scope=more[0])
    personal = sorted(scopes & PERSONAL_SCOPES)
    if personal and record["person"] != person.person:
        detail = f"{', '.join(personal)} count because of who did it: a token with them can only be for yourself"
        raise Problem(403, "not-yourself", detail, scope=personal[0])


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else datetime.fromtimestamp(micros / 1_000_000, UTC)


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access
