"""What one policy changes compared with another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policy.model import Policy


@dataclass(frozen=True)
class Change:
    """A field that differs; None where it is absent on one side."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.old is None:
            return f"+ {self.field}: {self.new}"
        if self.new is None:
            return f"- {self.field}: {self.old}"
        return f"~ {self.field}: {self.old} → {self.new}"


def diff(old: Policy, new: Policy) -> list[Change]:
    """Every difference in meaning, in the order of the fields."""
    return list(_changes("", _keyed(old), _keyed(new)))


def _keyed(policy: Policy) -> dict[str, Any]:
    """The policy with rules and packs by id instead of by position: moving a rule is no long list of changes."""
    content = policy.model_dump(mode="json", by_alias=True)
    content["packs"] = {pack["name"]: pack for pack in content["packs"]}
    content["rules"] = {rule["id"]: rule for rule in content["rules"]}
    for pack in content["packs"].values():
        pack["rules"] = {rule["id"]: rule for rule in pack["rules"]}
    content["order of rules"] = " ".join(rule.id for rule in policy.every_rule())
    return content


def _changes(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(f"{path}.{key}" if path else str(key), old.get(key), new.get(key))
    elif old != new:
        yield Change(path, old, new)
