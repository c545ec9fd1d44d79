"""YAML with the line of every field, so that an error can point at it."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from policy.errors import PolicyError, Problem

Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """YAML 1.2: only true and false are booleans, so that `yes` and `no` can be outcomes and `NO` a country."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class Document:
    """A parsed YAML file: its `data`, and the line on which each field stands."""

    def __init__(self, text: str, source: str) -> None:
        """Raises PolicyError if `text` is no YAML mapping or names a key twice."""
        self.source = source
        try:
            node = yaml.compose(text, Loader=_Loader)
            self.data: Any = yaml.load(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = mark.line + 1 if mark else 1
            raise PolicyError([Problem(source, line, "", f"not YAML: {error.problem}")]) from error
        except yaml.YAMLError as error:
            raise PolicyError([Problem(source, 1, "", f"not YAML: {error}")]) from error
        if not isinstance(self.data, dict) or node is None:
            raise PolicyError([Problem(source, 1, "", "a policy is a YAML mapping of fields")])
        self._lines: dict[Path, int] = {(): 1}
        doubles = list(self._walk(node, ()))
        if doubles:
            raise PolicyError(doubles)

    def line(self, path: Path) -> int:
        """The line of a field, or of the nearest field around it that exists."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def problem(self, path: Path, message: str, suggestion: str = "") -> Problem:
        """A problem with the field at `path`."""
        return Problem(self.source, self.line(path), ".".join(str(part) for part in path), message, suggestion)

    def _walk(self, node: yaml.Node, path: Path) -> Iterator[Problem]:
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                here = (*path, key.value)
                self._lines[here] = key.start_mark.line + 1
                if key.value in seen:
                    yield self.problem(here, "stands here twice", "remove one")
                seen.add(key.value)
                yield from self._walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for place, item in enumerate(node.value):
                self._lines[(*path, place)] = item.start_mark.line + 1
                yield from self._walk(item, (*path, place))
