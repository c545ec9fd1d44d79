"""Scopes, and the roles that have them."""

from collections.abc import Iterable, Mapping

from interlock.errors import UsageError

SCOPES: Mapping[str, str] = {
    "decisions:write": "Submit decisions.",
    "decisions:read": "See decisions with their story, and wait for resolutions.",
    "tasks:read": "See queues and tasks, with all it takes to judge a case.",
    "tasks:write": "Claim tasks and decide them, as oneself.",
    "policies:read": "See policies and their versions, check and compare them.",
    "policies:write": "Publish policies and roll them back.",
    "proposals:read": "See proposals with their evidence.",
    "proposals:write": "Sign proposals or refuse them.",
    "controls:read": "See what is halted.",
    "controls:write": "Halt models and domains, and resume them.",
    "dead-letters:read": "See messages that could not be read.",
    "dead-letters:write": "Send dead letters again, or discard them.",
    "reviewers:read": "See the roster, who is on duty and what everybody has at hand.",
    "reviewers:write": "Change the roster.",
    "metrics:read": "See metrics, calibration, drift and quality.",
    "alerts:read": "See alerts and the deliveries of webhooks.",
    "alerts:write": "Send test alerts and webhooks.",
    "system:read": "See roles, lag and health.",
    "audit:read": "Prove the audit trail, and take records with their proof out of the house.",
    "tokens:write": "Make tokens, list and revoke them.",
}

_REVIEWER = frozenset({"tasks:read", "tasks:write", "decisions:read", "metrics:read", "policies:read", "alerts:read"})

ROLES: Mapping[str, frozenset[str]] = {
    "reviewer": _REVIEWER,
    "lead": _REVIEWER | {"reviewers:read", "reviewers:write", "controls:read", "controls:write", "proposals:read"},
    "policy_owner": frozenset(
        {
            *("policies:read", "policies:write", "proposals:read", "proposals:write"),
            *("controls:read", "controls:write"),
            *("decisions:read", "metrics:read", "alerts:read", "system:read", "tasks:read"),
        }
    ),
    "analyst": frozenset(
        {"decisions:read", "metrics:read", "policies:read", "proposals:read", "system:read", "alerts:read"}
    ),
    # Sees what everybody did and why, and changes nothing.
    "auditor": frozenset(
        {
            *("audit:read", "decisions:read", "policies:read", "proposals:read", "controls:read"),
            *("reviewers:read", "metrics:read", "alerts:read", "system:read"),
        }
    ),
    # Whoever runs the system does not judge cases by that: an administrator who also reviews has that role as well.
    "admin": frozenset(SCOPES) - {"tasks:write"},
}


def scopes_of(roles: Iterable[str], scopes: Iterable[str] = ()) -> frozenset[str]:
    """All scopes of these roles, and `scopes` beside them; names that nobody knows count for nothing."""
    granted = frozenset(scopes).intersection(SCOPES)
    return granted.union(*(ROLES.get(role, frozenset()) for role in roles))


def roles_with(scope: str) -> list[str]:
    """The roles that have a scope."""
    return [role for role, scopes in ROLES.items() if scope in scopes]


def check_names(roles: Iterable[str], scopes: Iterable[str] = ()) -> None:
    """Raises UsageError naming the roles and scopes that do not exist."""
    for kind, given, known in (("role", roles, ROLES), ("scope", scopes, SCOPES)):
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise UsageError(f"there is no {kind} {', '.join(map(repr, unknown))}; there are: {', '.join(known)}")
