"""Changing the text of a policy: as little of it as possible, so that comments and order stay.

Where only a number changes, it alone is replaced. Anything else is written anew from what the text says, without its
comments; the text before stands in the version before.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from interlock.policy.load import parse
from interlock.policy.source_map import Document
from interlock.policy.version import version


def with_threshold(source: str, domain: str, prediction: str, auto: float) -> str:
    """`source` with that auto threshold in the lane; the lane's others follow where they would lie above it.

    Raises KeyError if the policy has no such domain or lane, PolicyError if it is not valid then.
    """
    content = _content(source)
    lane = content["domains"][domain]["lanes"][prediction] or {}
    changed = {name: min(value, auto) if name in ("async", "sync") else value for name, value in lane.items()}
    content["domains"][domain]["lanes"][prediction] = changed | {"auto": auto}
    return _written(source, content, ("domains", domain, "lanes", prediction, "auto"), auto)


def with_safe_rule(source: str, rule: Mapping[str, Any]) -> str:
    """`source` with one more safe rule, unless it has it already. Raises PolicyError if it is not valid then."""
    content = _content(source)
    rules = content.get("safe_rules") or []
    if any(one["id"] == rule["id"] for one in rules):
        return source
    ended = source if source.endswith("\n") else source + "\n"
    if "safe_rules" not in content:
        return _valid(ended + _dumped({"safe_rules": [dict(rule)]}), content | {"safe_rules": [dict(rule)]})
    return _dumped_valid(content | {"safe_rules": [*rules, dict(rule)]})


def _written(source: str, content: dict[str, Any], path: tuple[str, ...], value: float) -> str:
    node = _node(source, path)
    if node is None:
        return _dumped_valid(content)
    return _valid(source[: node.start_mark.index] + f"{value:g}" + source[node.end_mark.index :], content)


def _valid(text: str, content: dict[str, Any]) -> str:
    """`text` if it says what `content` does; otherwise, as with aliases, `content` written anew."""
    expected = _dumped_valid(content)
    try:
        same = version(parse(text, "policy")) == version(parse(expected, "policy"))
    except ValueError:
        same = False
    return text if same else expected


def _dumped_valid(content: dict[str, Any]) -> str:
    text = _dumped(content)
    parse(text, "policy")
    assert Document(text, "policy").data == content
    return text


def _content(source: str) -> dict[str, Any]:
    data: dict[str, Any] = Document(source, "policy").data
    return data


def _dumped(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Without aliases, which nobody would write into a policy by hand."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature of PyYAML
        return True


# Texts that a policy would read as numbers, such as '1e5', are quoted.
_Dumper.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"), list("-+.0123456789")
)


def _node(source: str, path: tuple[str, ...]) -> yaml.ScalarNode | None:
    """The scalar at a place of the text, None if there is none."""
    node = yaml.compose(source, yaml.SafeLoader)
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node if isinstance(node, yaml.ScalarNode) else None
