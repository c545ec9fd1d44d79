"""Edits of a policy's text that change as little of it as possible, so that comments and order stay.

Where only a number changes, it alone is replaced, and a new entry of a mapping is put into it. Any other edit rewrites
the text from its content, without comments; the previous version keeps them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from interlock.policy.load import parse
from interlock.policy.source_map import EXPONENT_FLOAT, Document
from interlock.policy.version import version

# A key that YAML reads as this text also within braces, without quotes.
_PLAIN = re.compile(r"[A-Za-z][\w./-]*@[\w./-]+")


def with_threshold(source: str, domain: str, prediction: str, auto: float) -> str:
    """`source` with that auto threshold in the lane; the lane's others follow where they would lie above it.

    Raises KeyError if the policy has no such domain or lane, PolicyError if it is not valid with the threshold.
    """
    content = _content(source)
    lane = content["domains"][domain]["lanes"][prediction] or {}
    lowered = {name: min(value, auto) if name in ("async", "sync") else value for name, value in lane.items()}
    content["domains"][domain]["lanes"][prediction] = lowered | {"auto": auto}
    node = _node_at(source, ("domains", domain, "lanes", prediction, "auto"))
    if not isinstance(node, yaml.ScalarNode):
        return _rewritten(content)
    return _checked(_between(source, node, f"{auto:g}"), content)


def with_raw_threshold(source: str, domain: str, prediction: str, model: str, threshold: float) -> str:
    """`source` with that threshold in the model's own confidence in the lane. `model`: model_id@model_version.

    Raises KeyError if the policy has no such domain or lane, PolicyError if it is not valid with the threshold.
    """
    content = _content(source)
    lanes = content["domains"][domain]["lanes"]
    lane = lanes[prediction] or {}
    lanes[prediction] = lane | {"auto_raw": (lane.get("auto_raw") or {}) | {model: threshold}}
    path = ("domains", domain, "lanes", prediction)
    number = _node_at(source, (*path, "auto_raw", model))
    if isinstance(number, yaml.ScalarNode):
        return _checked(_between(source, number, f"{threshold:g}"), content)
    name = model if _PLAIN.fullmatch(model) else json.dumps(model, ensure_ascii=False)
    for node, entry in (
        (_node_at(source, (*path, "auto_raw")), f"{name}: {threshold:g}"),
        (_node_at(source, path), f"auto_raw: {{{name}: {threshold:g}}}"),
    ):
        if isinstance(node, yaml.MappingNode):
            return _checked(_with_entry(source, node, entry), content)
    return _rewritten(content)


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


def _node_at(source: str, path: tuple[str, ...]) -> yaml.Node | None:
    """The node at a path of the text, None if there is none."""
    node = yaml.compose(source, yaml.SafeLoader)
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node


def _between(source: str, node: yaml.Node, text: str) -> str:
    """`source` with `text` instead of a node."""
    return source[: node.start_mark.index] + text + source[node.end_mark.index :]


def _with_entry(source: str, node: yaml.MappingNode, entry: str) -> str:
    """`source` with one more entry in a mapping: the last one within braces, the first one on lines of their own."""
    if node.flow_style:
        end = node.end_mark.index - 1
        return source[:end].rstrip() + (", " if node.value else "") + entry + source[end:]
    start = node.start_mark
    return f"{source[: start.index]}{entry}\n{' ' * start.column}{source[start.index :]}"
