"""What one policy changes compared with another."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from interlock.policy.model import Policy


@dataclass(frozen=True)
class Change:
    """A field that differs, as JSON values; `old` is None where it is new, `new` is None where it is gone."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.old is None:
            return f"+ {self.field}: {_text(self.new)}"
        if self.new is None:
            return f"- {self.field}: {_text(self.old)}"
        return f"~ {self.field}: {_text(self.old)} → {_text(self.new)}"


def diff(old: Policy, new: Policy) -> list[Change]:
    """Every difference in meaning, in the order of the fields. Empty exactly where the versions are equal."""
    changes = list(_changes("", _keyed(old), _keyed(new)))
    for field, before, after in (
        ("order of rules", [rule.id for rule in old.every_rule()], [rule.id for rule in new.every_rule()]),
        ("order of safe rules", [rule.id for rule in old.safe_rules], [rule.id for rule in new.safe_rules]),
        ("order of packs", [pack.name for pack in old.packs], [pack.name for pack in new.packs]),
    ):
        # Additions and removals are listed above; the order is a change where the remaining names have moved.
        if [name for name in before if name in after] != [name for name in after if name in before]:
            changes.append(Change(field, before, after))
    return changes


def _keyed(policy: Policy) -> dict[str, Any]:
    """The policy with rules and packs by id instead of by position, so that a moved rule is a single change."""
    content = policy.model_dump(mode="json", by_alias=True)
    content["rules"] = {rule["id"]: rule for rule in content["rules"]}
    content["safe_rules"] = {rule["id"]: rule for rule in content["safe_rules"]}
    content["packs"] = {
        pack["name"]: {**pack, "rules": {rule["id"]: rule for rule in pack["rules"]}} for pack in content["packs"]
    }
    return content


def _changes(path: str, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(f"{path}.{key}" if path else str(key), old.get(key), new.get(key))
    elif old != new:
        yield Change(path, old, new)


def _text(value: Any) -> str:
    """One line, without empty fields."""
    if isinstance(value, dict):
        fields = [f"{key}: {_text(item)}" for key, item in value.items() if item not in (None, "", [], {}, False)]
        return "{" + ", ".join(fields) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) for item in value) + "]"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
