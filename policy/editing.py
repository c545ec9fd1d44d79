"""Edits of a policy's text that change as little of it as possible, so that comments and order stay.

Where only a number changes, it alone is replaced. Any other edit rewrites the text from its content, without comments;
the previous version keeps them.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from interlock.policy.load import parse
from interlock.policy.source_map import EXPONENT_FLOAT, Document
from interlock.policy.version import version


def with_threshold(source: str, domain: str, prediction: str, auto: float) -> str:
    """`source` with that auto threshold in the lane; the lane's others follow where they would lie above it.

    Raises KeyError if the policy has no such domain or lane, PolicyError if it is not valid with the threshold.
    """
    content = _content(source)
    lane = content["domains"][domain]["lanes"][prediction] or {}
    lowered = {name: min(value, auto) if name in ("async", "sync") else value for name, value in lane.items()}
    content["domains"][domain]["lanes"][prediction] = lowered | {"auto": auto}
    node = _scalar_at(source, ("domains", domain, "lanes", prediction, "auto"))
    if node is None:
        return _rewritten(content)
    edited = source[: node.start_mark.index] + f"{auto:g}" + source[node.end_mark.index :]
    return _checked(edited, content)


def with_safe_rule(source: str, rule: Mapping[str, Any]) -> str:
    """`source` with one more safe rule, unless it has it already.

    Raises PolicyError if it is not valid with the rule.
    """
    content = _content(source)
    rules = content.get("safe_rules") or []
    if any(existing["id"] == rule["id"] for existing in rules):
        return source
    added = {"safe_rules": [*rules, dict(rule)]}
    if "safe_rules" in content:
        return _rewritten(content | added)
    complete_lines = source if source.endswith("\n") else source + "\n"
    return _checked(complete_lines + _dumped(added), content | added)


def _checked(text: str, content: dict[str, Any]) -> str:
    """`text` if it has this content; otherwise, as where aliases share what was edited, the content rewritten."""
    expected = _rewritten(content)
    try:
        same = version(parse(text, "policy")) == version(parse(expected, "policy"))
    except ValueError:
        same = False
    return text if same else expected


def _rewritten(content: dict[str, Any]) -> str:
    """The content as text; raises PolicyError if it is not a valid policy."""
    text = _dumped(content)
    parse(text, "policy")
    assert Document(text, "policy").data == content
    return text


def _content(source: str) -> dict[str, Any]:
    content: dict[str, Any] = Document(source, "policy").data
    return content


def _dumped(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes no aliases, as people would not by hand, and quotes text that the loader would read as a number."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature of PyYAML
        return True


_Dumper.add_implicit_resolver(*EXPONENT_FLOAT)


def _scalar_at(source: str, path: tuple[str, ...]) -> yaml.ScalarNode | None:
    """The scalar at a path of the text, None if there is none."""
    node = yaml.compose(source, yaml.SafeLoader)
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node if isinstance(node, yaml.ScalarNode) else None
