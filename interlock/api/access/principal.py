"""Who asks, and what they may do."""

from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from fastapi.security import SecurityScopes


@dataclass(frozen=True)
class Principal:
    """A person or a program that was authenticated."""

    person: str
    name: str
    roles: frozenset[str]
    scopes: frozenset[str]
    kind: Literal["session", "token"]


def authenticated(security_scopes: SecurityScopes, request: Request) -> Principal:
    """The principal of a request; raises Problem."""
    principal: Principal = request.app.state.access.authenticate(request, security_scopes.scopes)
    return principal
