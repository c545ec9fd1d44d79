"""Sessions of the HTTP interface: temporary tables, SET and USE that outlast a request.

A session keeps a handle of the engine, but only from the first statement on that leaves something in it: many clients
name a session in every request and never use it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from interlock.sinks.embedded_clickhouse.engine import Engine, Handle
from interlock.sinks.embedded_clickhouse.errors import (
    SESSION_IS_LOCKED,
    SESSION_NOT_FOUND,
    TOO_MANY_QUERIES,
    refusal,
)
from interlock.sinks.embedded_clickhouse.request import SessionParameters
from interlock.sinks.embedded_clickhouse.settings import Account
from interlock.sinks.embedded_clickhouse.sql import tokens

# Sessions that keep something, for each user: one of a client that is at work and of some that have gone.
_KEPT = 64
# CREATE OR REPLACE TEMPORARY TABLE
_FIRST_WORDS = 4


@dataclass
class _Session:
    expires: float
    keeps: bool = False
    handle: Handle | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """The sessions of all users; safe to use from several threads."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], _Session] = {}

    @contextmanager
    def handle(self, account: Account, wanted: SessionParameters, text: str) -> Iterator[tuple[Handle, bool]]:
        """The handle for a statement of a session, and whether it is kept behind it.

        Raises where the session should exist and does not, where another statement of it runs, and where too much is
        kept.
        """
        session = self._session(account, wanted, leaves_something(text))
        if session is None:
            handle = self._engine.open(account)
            try:
                yield handle, False
            finally:
                handle.close()
            return
        if not session.lock.acquire(blocking=False):
            raise refusal(SESSION_IS_LOCKED, f"Session {wanted.name} is locked by a concurrent client")
        try:
            session.handle = session.handle or self._engine.open(account)
            yield session.handle, True
        finally:
            session.expires = self._clock() + wanted.seconds
            session.lock.release()

    def close(self) -> None:
        """Close what is kept; no statement may run any more."""
        with self._lock:
            for session in self._sessions.values():
                if session.handle is not None:
                    session.handle.close()
            self._sessions.clear()

    def _session(self, account: Account, wanted: SessionParameters, keep: bool) -> _Session | None:
        """The session if it keeps something or is to; it will not expire before the statement begins."""
        now = self._clock()
        key = (account.name, wanted.name)
        with self._lock:
            for other, session in list(self._sessions.items()):
                if session.expires <= now and not session.lock.locked():
                    del self._sessions[other]
                    if session.handle is not None:
                        session.handle.close()
            if wanted.must_exist and key not in self._sessions:
                raise refusal(SESSION_NOT_FOUND, f"Session {wanted.name} not found")
            known = self._sessions.setdefault(key, _Session(now))
            known.expires = max(known.expires, now + wanted.seconds)
            if keep and not known.keeps:
                if sum(other.keeps for (name, _), other in self._sessions.items() if name == account.name) >= _KEPT:
                    raise refusal(
                        TOO_MANY_QUERIES,
                        f"Too many sessions: user {account.name} has {_KEPT} with settings or temporary tables; "
                        "they end some time after their last query (session_timeout)",
                    )
                known.keeps = True
            return known if known.keeps else None


def leaves_something(text: str) -> bool:
    """Whether a statement has an effect on those behind it in its session."""
    first = [token.value for token in islice(tokens(text), _FIRST_WORDS)]
    return first[:1] in (["SET"], ["USE"]) or (first[:1] == ["CREATE"] and "TEMPORARY" in first)
