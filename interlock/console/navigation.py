"""The pages that the navigation offers, in its order, and the scope that each of them needs."""

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """`key`: what a page names as `active`. `group`: entries of one group stand together."""

    key: str
    label: str
    path: str
    scope: str
    group: str


ENTRIES = (
    Entry("work", "My work", "/work", "tasks:write", "Cases"),
    Entry("queues", "Queues", "/queues", "tasks:read", "Cases"),
    Entry("decisions", "Decisions", "/decisions", "decisions:read", "Cases"),
    Entry("team", "Team", "/team", "reviewers:read", "Oversight"),
    Entry("quality", "Quality", "/quality", "metrics:read", "Oversight"),
    Entry("policies", "Policies", "/policies", "policies:read", "Oversight"),
    Entry("proposals", "Proposals", "/proposals", "proposals:read", "Oversight"),
    Entry("controls", "Controls", "/controls", "controls:read", "Operation"),
    Entry("dead-letters", "Dead letters", "/dead-letters", "dead-letters:read", "Operation"),
    Entry("reviewers", "Reviewers", "/reviewers", "reviewers:read", "Operation"),
    Entry("alerts", "Alerts", "/alerts", "alerts:read", "Operation"),
    Entry("system", "System", "/system", "system:read", "Operation"),
)


def offered(scopes: Set[str]) -> list[tuple[str, list[Entry]]]:
    """Groups with the entries that somebody with these scopes may open; groups without any are left out."""
    groups: dict[str, list[Entry]] = {}
    for entry in ENTRIES:
        if entry.scope in scopes:
            groups.setdefault(entry.group, []).append(entry)
    return list(groups.items())
