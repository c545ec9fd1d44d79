"""What authentication needs, in one object: `app.state.access`."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request

from interlock.api.access.oidc import OidcProvider
from interlock.api.access.rate_limit import RateLimiter
from interlock.api.access.roles import check_names
from interlock.api.access.sessions import IDLE_SECONDS, Session, SessionCookies, set_cookie
from interlock.api.access.table import AccessTable
from interlock.platform.settings import ApiSettings

Roster = Callable[[], Mapping[str, Mapping[str, Any]]]


class Access:
    """Who may come in, and how."""

    def __init__(
        self,
        settings: ApiSettings,
        session_key: bytes,
        table: AccessTable,
        roster: Roster,
        *,
        is_local: bool = False,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`roster`: the `Reviewer` records by id, as they are now. `is_local`: Kafka and ClickHouse are those of
        `interlock up`. Raises UsageError for settings that make no sense."""
        self.settings = settings
        self.session_key = session_key
        self.table = table
        self.roster = roster
        self.now = now
        self.cookies = SessionCookies(session_key)
        self.rate_limiter = RateLimiter(settings.requests_per_second, settings.burst, monotonic=monotonic)
        self.oidc = OidcProvider(settings.oidc, now) if settings.oidc else None
        if settings.oidc:
            check_names(settings.oidc.role_map.values())
        # Whether anybody on this machine may log in as anybody: the console says so on every page.
        self.demo_login = settings.demo_login if settings.demo_login is not None else is_local and self.oidc is None

    def close(self) -> None:
        """Ends the connections of its own; the table belongs to who made it."""
        if self.oidc is not None:
            self.oidc.close()

    def address(self, request: Request) -> str:
        """How browsers reach this API, without a slash at the end."""
        return (self.settings.url or f"{request.url.scheme}://{request.url.netloc}").rstrip("/")

    def is_secure(self, request: Request) -> bool:
        """Whether browsers reach it over https."""
        return urlsplit(self.address(request)).scheme == "https"

    def session_cookie(self, request: Request, session: Session) -> str:
        """The Set-Cookie header of a session that is used now."""
        value = self.cookies.value(session, self.now())
        return set_cookie(self.cookies.name, value, seconds=IDLE_SECONDS, secure=self.is_secure(request))

    def no_session_cookie(self, request: Request) -> str:
        """The Set-Cookie header that takes the cookie away."""
        return set_cookie(self.cookies.name, "", seconds=0, secure=self.is_secure(request))
