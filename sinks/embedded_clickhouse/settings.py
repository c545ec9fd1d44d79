"""How one embedded ClickHouse server is to run."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

# Environment variables that carry the passwords to a server process.
WRITER_PASSWORD = "INTERLOCK_CLICKHOUSE_WRITER_PASSWORD"
ANALYST_PASSWORD = "INTERLOCK_CLICKHOUSE_ANALYST_PASSWORD"


@dataclass(frozen=True)
class Account:
    """One user of the server. ``read_only`` is forced on every query of that user and cannot be undone."""

    name: str
    password: str = field(repr=False)
    read_only: bool = False


@dataclass(frozen=True)
class ServerSettings:
    """Where the data live, where the server listens, who may come in.

    ``port=0`` takes any free port. An empty password is allowed and means what it says: whoever reaches the
    port is let in under that name. A request without credentials is user ``default`` without a password, as
    ClickHouse has it, so plain ``curl`` works only when one of the two users is called ``default`` and has an
    empty password.
    """

    data_dir: Path
    writer_password: str = field(repr=False)
    analyst_password: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8123  # ClickHouse's own HTTP port, which every client knows
    writer_user: str = "default"
    analyst_user: str = "analyst"

    def __post_init__(self) -> None:
        if not self.writer_user or not self.analyst_user:
            raise ValueError("embedded ClickHouse: user names must not be empty")
        if self.writer_user == self.analyst_user:
            raise ValueError(
                f"embedded ClickHouse: writer and analyst are both called {self.writer_user!r}; "
                "give them different names, or nobody can tell who may write"
            )

    @classmethod
    def private(cls, data_dir: Path) -> ServerSettings:
        """A free port and passwords nobody else knows: what tests and tools want."""
        return cls(
            data_dir=data_dir,
            writer_password=secrets.token_urlsafe(18),
            analyst_password=secrets.token_urlsafe(18),
            port=0,
        )

    @property
    def accounts(self) -> tuple[Account, Account]:
        return (
            Account(self.writer_user, self.writer_password),
            Account(self.analyst_user, self.analyst_password, read_only=True),
        )
