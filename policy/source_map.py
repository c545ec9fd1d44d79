"""YAML with the line of every field, so that an error can point at it."""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from yaml.composer import ComposerError

from interlock.policy.errors import Diagnostic, PolicyError

FieldPath = tuple[str | int, ...]


# A policy of hundreds of domains and rules has some ten thousand nodes; aliases of aliases reach billions in ten lines.
_MAX_NODES = 200_000

# A policy needs six levels. A limit of our own, because the interpreter's depends on who called and who changed it.
_MAX_DEPTH = 100


# Numbers such as 1e-2, which PyYAML takes for text: the tag, the form and the first characters of them.
EXPONENT_FLOAT = (
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


class _Loader(yaml.SafeLoader):
    """YAML 1.2: only true and false are booleans, so that `yes` and `no` can be outcomes and `NO` a country; `1e-2`
    is a number."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth == _MAX_DEPTH:
            raise ComposerError(None, None, "nested too deeply", self.peek_event().start_mark)  # type: ignore[no-untyped-call]  # the stubs miss it
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(*EXPONENT_FLOAT)


_SCALARS: dict[str, Callable[[yaml.SafeLoader, Any], Any]] = {
    "tag:yaml.org,2002:bool": yaml.SafeLoader.construct_yaml_bool,
    "tag:yaml.org,2002:int": yaml.SafeLoader.construct_yaml_int,
    "tag:yaml.org,2002:float": yaml.SafeLoader.construct_yaml_float,
    "tag:yaml.org,2002:timestamp": yaml.SafeLoader.construct_yaml_timestamp,
}


def _construct_scalar(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """The value of a scalar, or its text where it only looks like a value, such as the date 2026-02-31.

    The check of the field then reports it, on its line and together with all other problems.
    """
    try:
        return _SCALARS[node.tag](loader, node)
    except (ValueError, OverflowError, LookupError, AttributeError):  # what PyYAML and Python raise for such texts
        return node.value


for _tag in _SCALARS:
    _Loader.add_constructor(_tag, _construct_scalar)


class Document:
    """A parsed YAML file: its `data`, and the line of every field."""

    def __init__(self, text: str, source: str) -> None:
        """Raises PolicyError if `text` is no YAML mapping or names a key twice."""
        self.source = source
        self._lines: dict[tuple[str, ...], int] = {(): 1}
        try:
            loader = _Loader(text)
            node = loader.get_single_node()
            too_large = node is not None and _size(node, {}) > _MAX_NODES
            # Before the data is made of the nodes: that writes merged fields into them.
            problems = [] if node is None or too_large else list(self._walk(node, ()))
            self.data: Any = None if node is None else loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise PolicyError([Diagnostic(source, line, "", f"not YAML: {error.problem}, column {column}")]) from error
        except yaml.reader.ReaderError as error:
            # The position counts from the start of the text; the line is more useful.
            line = text.count("\n", 0, error.position) + 1
            raise PolicyError([Diagnostic(source, line, "", f"not YAML: {error.reason}")]) from error
        except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF" that is no character
            raise PolicyError([Diagnostic(source, 1, "", f"not YAML: {error}")]) from error
        if too_large:
            raise PolicyError([Diagnostic(source, 1, "", "repeats itself through aliases without end")])
        if not isinstance(self.data, dict) or node is None:
            raise PolicyError([Diagnostic(source, 1, "", "a policy is a YAML mapping of fields")])
        if problems:
            raise PolicyError(problems)

    def line(self, path: FieldPath) -> int:
        """The line of a field, or of the nearest field around it that exists."""
        key = tuple(str(part) for part in path)
        while key not in self._lines:
            key = key[:-1]
        return self._lines[key]

    def problem(self, path: FieldPath, message: str, suggestion: str = "") -> Diagnostic:
        """A problem with the field at `path`."""
        return Diagnostic(self.source, self.line(path), ".".join(str(part) for part in path), message, suggestion)

    def _walk(self, node: yaml.Node, path: tuple[str, ...]) -> Iterator[Diagnostic]:
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                name = str(key.value)
                here = (*path, name)
                self._lines[here] = key.start_mark.line + 1
                if name in seen:
                    yield self.problem(here, "appears twice", "remove one")
                seen.add(name)
                yield from self._walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._lines[(*path, str(index))] = item.start_mark.line + 1
                yield from self._walk(item, (*path, str(index)))
        elif any("\ud800" <= character <= "\udfff" for character in node.value):
            yield self.problem(path, "holds half a character (a surrogate)", "write the character itself")


def _size(node: yaml.Node, sizes: dict[int, float]) -> float:
    """How many nodes there are with all aliases written out; infinite for a node that contains itself."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in sizes:
        sizes[id(node)] = math.inf  # the answer if the node contains itself
        parts = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(node)]
