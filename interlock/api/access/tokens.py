"""Tokens for programs: `ilk_ID_SECRET`, shown once; only a hash of the secret is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import NamedTuple

from interlock.api.access.roles import check_names
from interlock.api.access.table import AccessTable, Record, access_record, publish
from interlock.errors import InterlockError, UsageError
from interlock.streams.ports import Broker

PREFIX = "ilk"

# An id only has to be unlike the others; the secret is what nobody can guess.
_ID_BYTES = 8
_SECRET_BYTES = 32

DAY_SECONDS = 86_400

# A quarter of a year: long enough for a project, and somebody looks again before it has been forgotten.
DEFAULT_DAYS = 90

# Names are shown in lists, and persons become ids of actors.
LONGEST_NAME = 200


class TokenError(InterlockError):
    """A token that does not count; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NewToken(NamedTuple):
    """A token as it is made. `text` is what its holder sends, and stands nowhere else."""

    text: str
    record: Record


def new_token(
    *,
    name: str,
    person: str,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    created_by: str,
    now: float,
    days: float | None = DEFAULT_DAYS,
) -> NewToken:
    """A token, not yet stored. `now`: seconds since the epoch. `days`: None for one that never ends.

    Raises UsageError for roles and scopes that do not exist, and for a token without any.
    """
    roles, scopes = sorted(set(roles)), sorted(set(scopes))
    check_names(roles, scopes)
    if not roles and not scopes:
        raise UsageError("a token needs a role or a scope: without one it could do nothing")
    for what, text in (("name", name), ("person", person)):
        if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
            raise UsageError(f"the {what} of a token must be 1 to {LONGEST_NAME} printable characters")
    if days is not None and days <= 0:
        raise UsageError("a token must be good for some time: give a positive number of days")
    token_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    record = access_record(
        "token",
        token_id,
        person,
        name=name,
        hash=_hash(secret),
        roles=roles,
        scopes=scopes,
        created_at=micros(now),
        created_by=created_by,
        expires_at=None if days is None else micros(now + days * DAY_SECONDS),
    )
    return NewToken(f"{PREFIX}_{token_id}_{secret}", record)


def create_token(
    broker: Broker,
    *,
    name: str,
    person: str,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    created_by: str,
    now: float,
    days: float | None = DEFAULT_DAYS,
) -> NewToken:
    """Makes a token that counts from now on in all API processes. Raises as `new_token`, and UnavailableError."""
    token = new_token(name=name, person=person, roles=roles, scopes=scopes, created_by=created_by, now=now, days=days)
    publish(broker, [token.record])
    return token


def revoke_token(table: AccessTable, token_id: str, *, by: str, now: float) -> Record:
    """Ends a token for good and returns its record; one that was revoked before stays as it is.

    Raises TokenError if there is none.
    """
    record = table.get("token", token_id)
    if record is None:
        raise TokenError("unknown-token", f"there is no token {token_id!r}")
    if record["revoked_at"] is None:
        record = {**record, "revoked_at": micros(now), "revoked_by": by}
        table.write(record)
    return record


def list_tokens(table: AccessTable) -> list[Record]:
    """All tokens, ended ones too, the oldest first."""
    return sorted(table.of_kind("token"), key=lambda record: (record["created_at"] or 0, record["id"]))


def verified(table: AccessTable, text: str, now: float) -> Record:
    """The record of a token as its holder sends it. Raises TokenError; why it ended is told to its holder only."""
    prefix, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    record = table.get("token", token_id) if prefix == PREFIX else None
    if record is None or not hmac.compare_digest(_hash(secret), record["hash"]):
        raise TokenError("token-unknown", "this token is not known here")
    if record["revoked_at"] is not None:
        raise TokenError("token-revoked", f"the token {record['name']!r} was revoked")
    if record["expires_at"] is not None and record["expires_at"] <= micros(now):
        raise TokenError("token-expired", f"the token {record['name']!r} has expired; make a new one")
    return record


def state_of(record: Record, now: float) -> str:
    """active, expired or revoked."""
    if record["revoked_at"] is not None:
        return "revoked"
    return "expired" if record["expires_at"] is not None and record["expires_at"] <= micros(now) else "active"


def micros(seconds: float) -> int:
    """Microseconds, as they stand in records."""
    return round(seconds * 1_000_000)


def _hash(secret: str) -> str:
    # The secret has 256 random bits: there is nothing that a slow hash would protect.
    return hashlib.sha256(secret.encode()).hexdigest()
