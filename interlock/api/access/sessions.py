"""Sessions of people: a signed cookie that every API process can check, and records of those that are over.

Nothing is stored for a session that runs, so any number of processes side by side know all of them.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

from itsdangerous import BadData, URLSafeSerializer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.api.access.table import AccessTable, Record, access_record
from interlock.api.access.tokens import micros
from interlock.errors import InterlockError

# Of a browser that was left open: long enough for a difficult case.
IDLE_SECONDS = 30 * 60

# A working day with its breaks.
LONGEST_SECONDS = 10 * 3600

# A session in use gets a new cookie, at most this often.
RENEW_SECONDS = 60

# How far the clocks of two API processes may be apart.
SKEW_SECONDS = 60

_ID_BYTES = 16

# Cookies of one host are shared by all its ports: the name tells instances apart that run on one machine.
_NAME_DIGITS = 8

# Old records are removed when new ones are written; more at once would make a logout wait.
_MOST_FORGOTTEN = 100


class SessionError(InterlockError):
    """A session that does not count; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Session(NamedTuple):
    """Somebody who has logged in. `started`: seconds since the epoch. `demo`: without proof of who it is."""

    id: str
    person: str
    name: str
    roles: frozenset[str]
    started: float
    demo: bool = False


def new_session(person: str, name: str, roles: Iterable[str], now: float, *, demo: bool = False) -> Session:
    """A session with an id of its own."""
    return Session(secrets.token_urlsafe(_ID_BYTES), person, name, frozenset(roles), now, demo)


class SessionCookies:
    """Writes and reads the cookies of sessions under one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._signer = signer(key, "session")
        self.name = f"interlock_session_{_mac(key, 'cookie')[:_NAME_DIGITS]}"

    def value(self, session: Session, now: float) -> str:
        """The cookie of a session that was used now."""
        return sign(self._signer, {**session._asdict(), "roles": sorted(session.roles), "used": now})

    def read(self, text: str, table: AccessTable, now: float) -> tuple[Session, bool]:
        """The session in a cookie, and whether it is time for a new cookie. Raises SessionError."""
        try:
            fields = self._signer.loads(text)
            used = float(fields.pop("used"))
            session = Session(**{**fields, "roles": frozenset(fields["roles"])})
        except (BadData, KeyError, TypeError, ValueError) as error:
            raise SessionError("session-unknown", "this session is not known here; log in again") from error
        if now > used + IDLE_SECONDS or now > session.started + LONGEST_SECONDS or now < used - SKEW_SECONDS:
            raise SessionError("session-expired", "the session has expired; log in again")
        if _is_over(session, table):
            raise SessionError("session-revoked", "the session was ended; log in again")
        return session, now >= used + RENEW_SECONDS

    def csrf_token(self, session: Session) -> str:
        """What a page of the session sends with everything it changes: pages of other sites cannot know it."""
        return _mac(self._key, f"csrf:{session.id}")


def end_session(table: AccessTable, session: Session, *, by: str, now: float) -> None:
    """Ends one session in all API processes. Raises UnavailableError."""
    record = access_record(
        "session",
        session.id,
        session.person,
        expires_at=micros(session.started + LONGEST_SECONDS),
        revoked_at=micros(now),
        revoked_by=by,
    )
    table.write(record, forgotten=_no_longer_needed(table, now))


def end_all_sessions(table: AccessTable, person: str, *, by: str, now: float) -> None:
    """Ends every session of a person that has begun by now. Raises UnavailableError."""
    until = micros(now)
    record = access_record(
        "person", person, person, expires_at=until + micros(LONGEST_SECONDS), revoked_at=until, revoked_by=by
    )
    table.write(record, forgotten=_no_longer_needed(table, now))


def signer(key: bytes, purpose: str) -> URLSafeSerializer:
    """Signs JSON for one purpose: what was signed for another is refused."""
    return URLSafeSerializer(
        key, salt=f"interlock.{purpose}", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
    )


def sign(by: URLSafeSerializer, fields: dict[str, Any]) -> str:
    """Signed text that fits into a cookie."""
    text = by.dumps(fields)
    return text if isinstance(text, str) else text.decode()


def set_cookie(name: str, value: str, *, seconds: int, secure: bool, path: str = "/") -> str:
    """The value of a Set-Cookie header; with no `seconds` the cookie is deleted."""
    flags = "; Secure" if secure else ""
    return f"{name}={value}; Max-Age={seconds}; Path={path}; HttpOnly; SameSite=Lax{flags}"


class RenewSessions:
    """ASGI middleware: sends the new cookie of a session that was used (`request.state.session_cookie`)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state: dict[str, Any] = scope.setdefault("state", {})

        async def with_cookie(message: Message) -> None:
            cookie = state.get("session_cookie")
            if message["type"] == "http.response.start" and cookie:
                headers = [*message.get("headers", ()), (b"set-cookie", cookie.encode())]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, with_cookie if scope["type"] == "http" else send)


def _is_over(session: Session, table: AccessTable) -> bool:
    if table.get("session", session.id) is not None:
        return True
    everywhere = table.get("person", session.person)
    return everywhere is not None and micros(session.started) <= (everywhere["revoked_at"] or 0)


def _no_longer_needed(table: AccessTable, now: float) -> list[str]:
    """Keys of records about sessions that would have ended by themselves; where that is not known, they stay."""
    records: list[Record] = [*table.of_kind("session"), *table.of_kind("person")]
    over = [record for record in records if (record["expires_at"] or micros(now)) < micros(now - SKEW_SECONDS)]
    return [f"{record['kind']}:{record['id']}" for record in over][:_MOST_FORGOTTEN]


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, f"interlock.{text}".encode(), hashlib.sha256).hexdigest()
