"""Who somebody is by what an OpenID provider says of them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import structlog

from interlock.api.access.roles import ROLES
from interlock.api.access.tokens import LONGEST_NAME
from interlock.api.problems import Problem
from interlock.platform.settings import OidcSettings

log = structlog.get_logger()


class Identity(NamedTuple):
    """A person with their roles."""

    person: str
    name: str
    roles: frozenset[str]


def identity_of(claims: Mapping[str, Any], settings: OidcSettings) -> Identity:
    """The person in the claims of a verified id token. Raises Problem where there is none, or no role.

    Roles that Interlock does not know count for nothing; they are logged, because a role may be misspelt.
    """
    person = claims.get(settings.person_claim)
    if not isinstance(person, str) or not 0 < len(person) <= LONGEST_NAME or not person.isprintable():
        raise Problem(403, "no-person", f"the provider does not say who you are: the claim {settings.person_claim!r}")
    if settings.person_claim == "email" and claims.get("email_verified") is False:
        raise Problem(403, "no-person", "the provider has not verified your mail address, by which you are known here")
    given = _values(claims, settings.roles_claim)
    # With a map only what it names counts: a provider's own "admin" may be the admin of something else.
    names = [settings.role_map.get(value, "") for value in given] if settings.role_map else given
    roles = frozenset(names) & ROLES.keys()
    unknown = sorted({value for value, name in zip(given, names, strict=True) if name not in ROLES})
    if unknown:
        log.warning("roles that are not known here", person=person, roles=unknown, claim=settings.roles_claim)
    if not roles:
        raise Problem(
            403,
            "no-role",
            f"you are known as {person}, but have no role here: somebody must give you one in the claim "
            f"{settings.roles_claim!r} of the provider ({', '.join(sorted(settings.role_map) or ROLES)})",
            person=person,
        )
    name = claims.get(settings.name_claim)
    return Identity(person, name[:LONGEST_NAME] if isinstance(name, str) and name else person, roles)


def has_claim(claims: Mapping[str, Any], name: str) -> bool:
    """Whether a claim is there, by its name or as a path."""
    return _found(claims, name) is not None


def _values(claims: Mapping[str, Any], name: str) -> list[str]:
    found = _found(claims, name)
    if isinstance(found, str):
        return [found]
    return [value for value in found if isinstance(value, str)] if isinstance(found, list) else []


def _found(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:  # names of claims may be URLs with dots
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
